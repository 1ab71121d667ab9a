"""Block influence: the angle by which each layer turns the residual stream."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from nasviz.errors import InputError
from nasviz.evaluation.block_influence import block_influence
from nasviz.model.initialise import initialise
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture

SIZES = Architecture(3, 24, 2, 61, 13)


@pytest.fixture
def model() -> Transformer:
    made = Transformer(SIZES).eval()
    initialise(made, seed=7)
    return made


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(61, (5, 11), generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def test_influence_is_one_less_the_mean_cosine(model: Transformer, tokens: torch.Tensor) -> None:
    states = [model.embed(tokens)]
    for layer in range(3):
        states.append(model.run_layers(states[-1], layer, layer + 1))
    expected = []
    for before, after in pairwise(states):
        x, y = (each.double().flatten(0, 1).numpy() for each in (before, after))
        cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        expected.append(1 - cosine.mean())
    np.testing.assert_allclose(block_influence(model, tokens), expected, atol=1e-6)


@torch.no_grad()
def test_a_layer_that_adds_nothing_has_no_influence(
    model: Transformer, tokens: torch.Tensor
) -> None:
    block = model.blocks[1]
    block.attention.output.weight.zero_()
    block.feed_forward.down.weight.zero_()
    influence = block_influence(model, tokens)
    assert abs(influence[1]) < 1e-6
    assert min(influence[0], influence[2]) > 0.01


def test_how_texts_are_batched_changes_nothing(model: Transformer, tokens: torch.Tensor) -> None:
    one_by_one = block_influence(model, tokens, batch_tokens=1)
    np.testing.assert_allclose(one_by_one, block_influence(model, tokens), atol=1e-6)


def test_a_model_in_training_stays_in_training(model: Transformer, tokens: torch.Tensor) -> None:
    model.train()
    block_influence(model, tokens)
    assert model.training


@pytest.mark.parametrize("shape", [(0, 5), (7,)])
def test_no_text_is_refused(model: Transformer, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"texts \(B, T\)"):
        block_influence(model, torch.zeros(shape, dtype=torch.long))
