"""Weight quantisation in the model: packed matrices in the place of those of its layers."""

from __future__ import annotations

from torch import nn

from nasviz.errors import InputError
from nasviz.model.dynamic.matrices import with_matrices
from nasviz.model.dynamic.packed import Packed4, Packed8
from nasviz.model.transformer import Block, Transformer
from nasviz.space.options.weight_quantization import WeightQuantization


def quantized(model: Transformer, option: WeightQuantization) -> Transformer:
    """Return `model` with the matrices of its layers in `option`'s bits, rounded to nearest.

    Embeddings, head, norms, biases and routers are the model's own. The packed matrices are copies
    of what the weights are now. Raises `InputError` for bits that miss layers.
    """
    option.check_fits(model.architecture)
    bits = option.bits_of(model.architecture.n_layers)
    if set(bits) == {16}:
        return model

    def packed(matrix: nn.Module, owner: nn.Module, block: Block) -> nn.Module:
        if bits[block.layer] == 16:
            return matrix
        if not isinstance(matrix, nn.Linear):
            raise InputError(
                f"a {type(matrix).__name__} can't be quantised any more; quantise the model first"
            )
        if bits[block.layer] == 8:
            return Packed8(matrix)
        return Packed4(matrix, option.group_size)

    return with_matrices(model, packed)
