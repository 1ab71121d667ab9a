"""Weights set to zero in a trained model, those that matter least first: no size changes.

Sun et al. 2023, Wanda, arXiv:2306.11695; magnitude: Han et al. 2015, arXiv:1506.02626.
Shapes: O outputs and I inputs of a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nasviz.errors import InputError
from nasviz.evaluation.importance.parts import blocks_of
from nasviz.evaluation.importance.texts import batched
from nasviz.evaluation.scoring import evaluating
from nasviz.model.dynamic.matrices import matrices_of
from nasviz.model.transformer import Transformer
from nasviz.space.sparsity import Sparsity

# In place of the norm of an input that is always zero, and of all inputs of an expert that no
# token of the texts visits: there the weights' own size decides.
_LEAST = 1e-8


@torch.no_grad()
def set_zeros(model: Transformer, sparsity: Sparsity, texts: Tensor) -> None:
    """Set the least important weights of each of `model`'s layers to zero, in place.

    By activation, inputs are measured on texts (B, T), layer by layer: each sees what the layers
    before it say with their zeros. By magnitude nothing is read. Raises `InputError` where a matrix
    has no whole blocks.
    """
    device = model.token_embedding.weight.device
    read = batched(texts) if sparsity.importance == "activation" else ()
    with evaluating(model):
        states = [model.embed(some.to(device)) for some in read]
        for layer, block in enumerate(blocks_of(model)):
            matrices = list(matrices_of(block))
            through = partial(model.run_layers, start=layer, stop=layer + 1)
            norms: Mapping[nn.Linear, Tensor] = {}
            if sparsity.importance == "activation":
                norms = _input_norms(matrices, through, states)
            for matrix in matrices:
                matrix.weight.mul_(_kept(matrix.weight, sparsity, norms.get(matrix)))
            states = [through(each) for each in states]


def density(model: Transformer) -> dict[str, Any]:
    """Return what share of `model`'s weights is not zero, counted.

    `matrix_weights` and `matrix_zeros` of the layers' matrices, `density` of these, and
    `whole_density` with embeddings and everything else.
    """
    matrices = [each.weight for block in blocks_of(model) for each in matrices_of(block)]
    weights = sum(each.numel() for each in matrices)
    zeros = sum(int((each == 0).sum()) for each in matrices)
    whole = sum(each.numel() for each in model.parameters())
    everywhere = sum(int((each == 0).sum()) for each in model.parameters())
    return {
        "matrix_weights": weights,
        "matrix_zeros": zeros,
        "density": 1 - zeros / weights,
        "whole_density": 1 - everywhere / whole,
    }


def _input_norms(
    matrices: list[nn.Linear], through: Callable[[Tensor], Tensor], states: list[Tensor]
) -> dict[nn.Linear, Tensor]:
    """Return the Euclidean norm of each input of each matrix over all tokens, (I,)."""
    squares = {
        matrix: torch.zeros(matrix.in_features, dtype=torch.float64, device=matrix.weight.device)
        for matrix in matrices
    }

    def see(matrix: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(matrix, nn.Linear)
        squares[matrix] += inputs[0].double().square().flatten(0, -2).sum(dim=0)

    hooks = [matrix.register_forward_pre_hook(see) for matrix in matrices]
    try:
        for each in states:
            through(each)
    finally:
        for hook in hooks:
            hook.remove()
    return {matrix: each.sqrt().clamp_min(_LEAST) for matrix, each in squares.items()}


def _kept(weight: Tensor, sparsity: Sparsity, norms: Tensor | None) -> Tensor:
    """Return 1 for each weight (O, I) that stays and 0 for the others."""
    scores = weight.double().abs()
    if norms is not None:
        scores = scores * norms
    outputs, inputs = weight.shape
    if sparsity.block is not None:
        n, size = sparsity.block
        if inputs % size:
            raise InputError(f"a matrix of {inputs} inputs has no whole blocks of {size}")
        groups = scores.reshape(-1, size)
    else:
        groups = scores if norms is not None else scores.reshape(1, -1)
        n = max(1, round((1 - sparsity.zeros) * groups.shape[1]))
    best = groups.topk(n, dim=1).indices
    kept = torch.zeros_like(groups).scatter_(1, best, 1.0)
    return kept.reshape(outputs, inputs).to(weight.dtype)
