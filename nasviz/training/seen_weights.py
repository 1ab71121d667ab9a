"""Matrices that are multiplied otherwise than they are stored, so that training prepares for it.

A model that keeps its zeros sees none of what an optimiser adds there, under any of DeepSpeed's
stages, whose copies of the weights nothing but the optimiser may change.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from nasviz.model.dynamic.matrices import with_matrices
from nasviz.model.dynamic.rounding import as_rounded
from nasviz.model.transformer import Transformer
from nasviz.space.options.weight_quantization import WeightQuantization


class SeenLinear(nn.Linear):
    """A matrix whose weights learn through what `sees` makes of them; its names stay."""

    def __init__(self, matrix: nn.Linear, sees: nn.Module) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = matrix.in_features, matrix.out_features
        self.weight, self.bias = matrix.weight, matrix.bias
        self.sees = sees

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's outputs, (..., in_features) → (..., out_features)."""
        return linear(x, self.sees(self.weight), self.bias)


class Zeros(nn.Module):
    """Weights with zeros where those of the start have them."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", start.detach() != 0, persistent=False)

    kept: Tensor

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weights that are kept, zero elsewhere; so are their gradients."""
        return weight * self.kept


class Rounded(nn.Module):
    """Weights as they are in 8 or 4 bits; gradients pass as if nothing were rounded.

    The straight-through estimator: Bengio et al. 2013, arXiv:1308.3432.
    """

    def __init__(self, bits: int, group_size: int) -> None:
        super().__init__()
        self.bits, self.group_size = bits, group_size

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weights that the model is run with."""
        plain = weight.detach()
        return weight + (as_rounded(plain, self.bits, self.group_size) - plain)


def seen(model: Transformer, sees: Callable[[nn.Linear, int], nn.Module]) -> Transformer:
    """Return `model` with each matrix of its layers seen through `sees`: (matrix, layer) → module.

    The weights are `model`'s own, under their names.
    """

    def through(matrix: nn.Module, owner: nn.Module, block: nn.Module) -> nn.Module:
        assert isinstance(matrix, nn.Linear)
        layer = block.layer
        assert isinstance(layer, int)
        return SeenLinear(matrix, sees(matrix, layer))

    return with_matrices(model, through)


def holding_zeros(model: Transformer) -> Transformer:
    """Return `model` whose matrices keep the zeros that they have now."""
    return seen(model, lambda matrix, layer: Zeros(matrix.weight))


def rounding_weights(model: Transformer, option: WeightQuantization) -> Transformer:
    """Return `model` whose matrices are multiplied as `option` rounds them.

    Raises `InputError` for bits that miss layers.
    """
    option.check_fits(model.architecture)
    bits = option.bits_of(model.architecture.n_layers)

    def sees(matrix: nn.Linear, layer: int) -> nn.Module:
        return nn.Identity() if bits[layer] == 16 else Rounded(bits[layer], option.group_size)

    return seen(model, sees)


@torch.no_grad()
def settle_zeros(model: Transformer) -> None:
    """Set weights of `model` to the zeros that it sees in their place."""
    for module in model.modules():
        if isinstance(module, SeenLinear) and isinstance(module.sees, Zeros):
            module.weight.mul_(module.sees.kept)
