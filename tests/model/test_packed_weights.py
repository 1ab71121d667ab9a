"""Weights in 8 and 4 bits: how far they are from the weights, and what they take."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nasviz.errors import InputError
from nasviz.model.dynamic.packed import Packed4, Packed8, packed_bytes
from nasviz.model.dynamic.weight_quantization import quantized
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.options.weight_quantization import WeightQuantization

SIZES = pytest.mark.parametrize(("inputs", "outputs"), [(64, 48), (53, 31), (17, 3), (300, 130)])
BFLOAT16 = 2**-8  # the relative step of its numbers

A = Architecture(3, 48, 3, 61, 13, d_ff=104)


def weights_of(packed: nn.Module, inputs: int) -> torch.Tensor:
    """Return the matrix (out, in) that a packed one stands for, seen through its products."""
    return packed(torch.eye(inputs)).t()


@SIZES
@torch.inference_mode()
def test_8_bits_are_within_half_a_step_of_every_weight(inputs: int, outputs: int) -> None:
    linear = nn.Linear(inputs, outputs, bias=False)
    weight = linear.weight
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    error = (weights_of(Packed8(linear), inputs) - weight).abs()
    assert (error <= 0.5 * step + BFLOAT16 * weight.abs()).all()


@SIZES
@pytest.mark.parametrize("group", [32, 64])
@torch.inference_mode()
def test_4_bits_are_within_half_a_step_of_their_group(
    inputs: int, outputs: int, group: int
) -> None:
    linear = nn.Linear(inputs, outputs, bias=False)
    weight = linear.weight
    error = (weights_of(Packed4(linear, group), inputs) - weight).abs()
    for start in range(0, inputs, group):
        part = weight[:, start : start + group]
        low = part.amin(dim=1, keepdim=True).clamp(max=0)
        high = part.amax(dim=1, keepdim=True).clamp(min=0)
        # Scale and middle are rounded to 16 bits, which moves the ends by a part of the range.
        bound = (high - low) * (0.5 / 15 + 2 * BFLOAT16) + BFLOAT16 * part.abs()
        assert (error[:, start : start + group] <= bound).all()


@pytest.mark.parametrize("make", [Packed8, lambda linear: Packed4(linear, 32)])
@pytest.mark.parametrize("rows", [1, 2, 33, 70])
@torch.inference_mode()
def test_any_number_of_rows_gives_the_same_products(make, rows: int) -> None:
    linear = nn.Linear(53, 31)
    packed = make(linear)
    x = torch.randn(rows, 53)
    alone = torch.cat([packed(row) for row in x.split(1)])
    # Sums in another order may fall on the other side of a rounding to 16 bits, once.
    torch.testing.assert_close(packed(x), alone, atol=1e-3, rtol=2 * BFLOAT16)
    torch.testing.assert_close(packed(x), linear(x), atol=0.3, rtol=0.1)
    assert packed(x.view(1, rows, 53)).shape == (1, rows, 31)


@pytest.mark.parametrize("make", [Packed8, lambda linear: Packed4(linear, 32)])
@torch.inference_mode()
def test_rows_of_one_value_are_finite(make) -> None:
    linear = nn.Linear(32, 16, bias=False)
    linear.weight.zero_()
    assert torch.equal(make(linear)(torch.randn(3, 32)), torch.zeros(3, 16))
    linear.weight.fill_(0.5)
    torch.testing.assert_close(make(linear)(torch.ones(1, 32)), torch.full((1, 16), 16.0))


def test_two_4_bit_numbers_share_a_byte_and_one_8_bit_number_fills_it() -> None:
    linear = nn.Linear(64, 48, bias=False)
    assert Packed8(linear).packed.nbytes == 64 * 48
    assert Packed4(linear, 32).packed.nbytes == 64 * 48 // 2


@pytest.mark.parametrize("bits", [8, 4])
def test_no_full_matrix_of_a_layer_is_held(bits: int) -> None:
    view = quantized(Transformer(A), WeightQuantization(bits))
    floats = [
        each for each in (*view.blocks.parameters(), *view.blocks.buffers())
        if each.dtype == torch.float32
    ]  # fmt: skip
    assert max(each.ndim for each in floats) == 1  # norms
    assert view.token_embedding.weight.dtype == torch.float32


def test_each_layer_can_have_bits_of_its_own() -> None:
    view = quantized(Transformer(A), WeightQuantization(layer_bits=(16, 8, 4)))
    kinds = [type(block.attention.query) for block in view.blocks]
    assert kinds == [nn.Linear, Packed8, Packed4]
    sizes = [packed_bytes_of(view.blocks[layer]) for layer in range(3)]
    assert sizes == sorted(sizes, reverse=True)


def packed_bytes_of(block: nn.Module) -> int:
    return sum(each.nbytes for each in (*block.parameters(), *block.buffers()))


def test_bytes_count_a_shared_table_once() -> None:
    model = Transformer(A)
    assert packed_bytes(model) == 4 * sum(each.numel() for each in model.parameters())


def test_bits_must_fit_the_layers() -> None:
    with pytest.raises(InputError, match="2 numbers for n_layers=3; give one a layer"):
        quantized(Transformer(A), WeightQuantization(layer_bits=(8, 4)))
