"""Importance from gradients: how the loss would change without a part, to first order.

A part's output is thought to be multiplied by a gate at 1; the loss's derivative by that gate is
the sum of weight times gradient over the weights that the gate could stand for. Its square, taken
on a few sequences at a time (over all text a trained model's gradients cancel), is averaged.
Molchanov et al. 2019, arXiv:1906.10771, equation 8; Ma et al. 2023, LLM-Pruner, arXiv:2305.11627.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nasviz.evaluation.importance.parts import head_scores, norms_of, unit_scores
from nasviz.evaluation.importance.texts import batched, mean_nats
from nasviz.evaluation.scoring import evaluating
from nasviz.model.transformer import Attention, Transformer
from nasviz.space.importance import Importance

# Tokens whose gradients are summed before they are squared.
GRADIENT_TOKENS = 1 << 9


def taylor_importance(model: Transformer, texts: Tensor) -> Importance:
    """Return the mean square of each part's first-order effect on the loss of texts (B, T).

    The model's own gradients are left alone.
    """
    parameters = dict(model.named_parameters())
    sums: dict[str, Tensor] = {}
    with evaluating(model), torch.enable_grad():
        for some in batched(texts, GRADIENT_TOKENS):
            loss = mean_nats(model, some)
            gradients = torch.autograd.grad(
                loss, list(parameters.values()), allow_unused=True, materialize_grads=True
            )
            products = {
                id(weight): (weight * gradient).detach()
                for weight, gradient in zip(parameters.values(), gradients, strict=True)
            }
            for kind, effect in _effects(model, products).items():
                sums[kind] = sums.get(kind, torch.zeros_like(effect)) + effect.square() * len(some)
    return Importance(
        **{kind: (each / len(texts)).double().cpu().numpy() for kind, each in sums.items()}
    )


def _effects(model: Transformer, products: dict[int, Tensor]) -> dict[str, Tensor]:
    """Return the derivative of the loss by every part's gate, by kind: shapes of `Importance`."""

    def columns(matrix: nn.Linear) -> Tensor:  # of a matrix that writes: one sum an input
        return products[id(matrix.weight)].sum(dim=0)

    def of_heads(attention: Attention) -> Tensor:
        return columns(attention.output).view(attention.n_heads, -1).sum(dim=1)

    heads = head_scores(model, of_heads)
    units = unit_scores(model, lambda part: columns(part.down))
    experts = units.sum(dim=2)
    channels = sum(
        (
            products[id(parameter)]
            for norm in norms_of(model)
            for parameter in norm.parameters(recurse=False)
        ),
        start=torch.zeros(()),
    )
    return {
        "layers": heads.sum(dim=1) + experts.sum(dim=1),
        "heads": heads,
        "experts": experts,
        "ff_units": units,
        "channels": torch.as_tensor(channels),
    }
