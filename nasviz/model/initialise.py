"""First weights: drawn from a seed, the same on every device."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nasviz.model.parameters import ParameterKind, parameter_kinds
from nasviz.model.transformer import Transformer

EMBEDDING_STD = 0.02  # GPT-2's; small, because tied embeddings are the output matrix as well


@torch.no_grad()
def initialise(model: Transformer, seed: int, *, embedding_std: float = EMBEDDING_STD) -> None:
    """Draw every weight of `model` in place, from `seed` alone.

    Matrices are normal with variance 1 / inputs, so that a layer keeps its input's scale at every
    width (Glorot & Bengio 2010; Yang et al. 2022, arXiv:2203.03466, table 3). Those that write
    into the residual stream are smaller by √(2 · layers), so that its variance doesn't grow with
    depth (GPT-2). An untied head starts at zero mean with variance 1 / d_model², so the first
    loss is ln(vocabulary). Norms start at 1, biases at 0.
    """
    architecture = model.architecture
    depth_scale = 1 / math.sqrt(2 * architecture.n_layers)
    generator = torch.Generator().manual_seed(seed)
    kinds = parameter_kinds(model)
    for name, parameter in model.named_parameters():
        kind = kinds[name]
        if kind == "norm":
            nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
        elif kind == "bias":
            nn.init.zeros_(parameter)
        else:
            std = _std(kind, parameter, embedding_std, depth_scale)
            # Drawn on the CPU in full precision: the same weights whatever holds the model.
            drawn = torch.randn(parameter.shape, generator=generator).mul_(std)
            parameter.copy_(drawn)


@torch.no_grad()
def zero_outputs(model: Transformer) -> None:
    """Set the matrices that write into the residual stream to zero: every block starts neutral.

    Zhang et al. 2019, arXiv:1901.09321 (Fixup); the habit of nanochat's recipe.
    """
    for name, kind in parameter_kinds(model).items():
        if kind == "output_matrix":
            model.get_parameter(name).zero_()


def _std(kind: ParameterKind, matrix: Tensor, embedding_std: float, depth_scale: float) -> float:
    inputs = matrix.shape[1]
    if kind == "embedding":
        return embedding_std
    if kind == "head":
        return 1 / inputs
    return depth_scale / math.sqrt(inputs) if kind == "output_matrix" else 1 / math.sqrt(inputs)
