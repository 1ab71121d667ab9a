"""Activation sparsity: the largest inputs of each matrix, one row or many."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from random_models import random_model
from torch import nn

from nasviz.model.dynamic.activation_sparsity import (
    MaskedLinear,
    SparseLinear,
    largest,
    sparsified,
)
from nasviz.space.architecture import Architecture
from nasviz.space.options.activation_sparsity import ActivationSparsity

A = Architecture(2, 48, 3, 61, 13, d_ff=104)


@pytest.mark.parametrize("kept", [1, 7, 23, 53])
def test_the_largest_by_magnitude_stay_and_the_others_are_zero(kept: int) -> None:
    x = torch.randn(5, 3, 53)
    found = largest(x, kept)
    assert (found != 0).sum(dim=-1).eq(kept).all()
    assert torch.equal(found[found != 0], x[found != 0])
    least = found.abs().masked_fill(found == 0, torch.inf).amin(dim=-1)
    most_dropped = (x - found).abs().amax(dim=-1)
    assert (least >= most_dropped).all()


@pytest.mark.parametrize("kept", [1, 2, 23, 53])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_one_row_reads_the_kept_inputs_weights_to_the_same_result(
    kept: int, threads: int, bias: bool
) -> None:
    torch.set_num_threads(threads)
    linear = nn.Linear(53, 31, bias=bias)
    sparse = SparseLinear(linear, kept)
    x = torch.randn(3, 1, 53)
    expected = F.linear(largest(x, kept), linear.weight, linear.bias)
    torch.testing.assert_close(sparse(x), expected, atol=1e-5, rtol=1e-5)
    for row, wanted in zip(x, expected, strict=True):
        torch.testing.assert_close(sparse(row), wanted, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_the_inputs_that_matter_most_are_worth_more_than_others() -> None:
    model = random_model(A)
    tokens = torch.randint(A.vocab_size, (4, 13))
    whole = model(tokens)
    errors = [
        float((sparsified(model, ActivationSparsity(keep))(tokens) - whole).norm())
        for keep in (0.9, 0.5, 0.1)
    ]
    assert errors == sorted(errors)


def test_every_matrix_of_a_layer_is_behind_its_largest_inputs() -> None:
    view = sparsified(random_model(A), ActivationSparsity(0.25))
    kinds = {name: type(each) for name, each in view.blocks[0].named_modules() if "." in name}
    assert [kinds[f"attention.{name}"] for name in ("query", "key", "value", "output")] == (
        [SparseLinear] * 4
    )
    assert view.blocks[1].feed_forward.down.kept == 26
    assert view.blocks[1].feed_forward.up.kept == 12


def test_experts_count_small_inputs_as_zero() -> None:
    several = Architecture(2, 48, 3, 61, 13, experts=3, experts_per_token=2)
    view = sparsified(random_model(several), ActivationSparsity(0.5))
    assert isinstance(view.blocks[0].feed_forward.experts[2].down, MaskedLinear)
    assert isinstance(view.blocks[0].feed_forward.router, nn.Linear)
