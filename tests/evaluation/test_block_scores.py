"""Scores of replaced blocks: what the whole model says with one block replaced, taught or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from nasviz.evaluation.importance.activation import activation_importance
from nasviz.evaluation.importance.magnitude import magnitude_importance
from nasviz.evaluation.replacement.local import Teaching
from nasviz.evaluation.replacement.scores import BlockScore, block_scores, compared
from nasviz.model.initialise import initialise
from nasviz.model.pruned import pruned
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.replacement.choices import Choices, choices_of, kept_by, picked

SIZES = Architecture(3, 24, 4, 61, 13, n_kv_heads=2, d_ff=10)
KINDS = {
    "dense": SIZES,
    "experts": SIZES.with_(experts=3, experts_per_token=2),
    "gpt2": SIZES.with_(norm="layernorm", mlp="gelu", biases="all", position="learned"),
    "parallel": SIZES.with_(parallel_block=True, tied_embeddings=False),
}


def made(architecture: Architecture) -> Transformer:
    model = Transformer(architecture).eval()
    initialise(model, 7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 1)
    return model


def drawn(n: int, seed: int) -> torch.Tensor:
    return torch.randint(61, (n, 13), generator=torch.Generator().manual_seed(seed))


TEXTS = drawn(6, seed=3)


def replaced(model: Transformer, choices: Choices, score: BlockScore) -> Transformer:
    """Return the whole model in which one block is what was scored."""
    numbers = [0] * len(choices)
    numbers[score.layer] = score.choice
    importance = activation_importance(model, TEXTS)
    child = pruned(model, kept_by(model.architecture, importance, picked(choices, numbers)))
    if score.block is not None:
        child.blocks[score.layer] = score.block
    return child


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_what_the_whole_model_says_with_that_block_replaced(kind: str) -> None:
    model = made(KINDS[kind])
    choices = choices_of(model.architecture, "halves")
    scores = list(block_scores(model, choices, activation_importance(model, TEXTS), TEXTS))
    assert [(each.layer, each.choice) for each in scores] == [
        (layer, number) for layer in range(3) for number in range(9)
    ]
    with torch.no_grad():
        aims = model(TEXTS[:, :-1]).flatten(0, 1).log_softmax(dim=-1)
        loss = cross_entropy(aims, TEXTS[:, 1:].flatten())
        for each in scores:
            if each.choice == 0:
                assert (each.divergence, each.rise) == (0.0, 0.0)
                continue
            logits = replaced(model, choices, each)(TEXTS[:, :-1]).flatten(0, 1)
            said = logits.log_softmax(dim=-1)
            gap = kl_div(said, aims, reduction="batchmean", log_target=True)
            assert each.divergence == pytest.approx(float(gap), abs=1e-5)
            rise = cross_entropy(said, TEXTS[:, 1:].flatten()) - loss
            assert each.rise == pytest.approx(float(rise), abs=1e-5)
            assert each.divergence > 0


@pytest.mark.parametrize("kind", ["dense", "experts"])
def test_a_block_that_was_taught_is_nearer_to_what_it_replaces(kind: str) -> None:
    model = made(KINDS[kind])
    before = {name: each.clone() for name, each in model.state_dict().items()}
    choices = choices_of(model.architecture, "halves")
    importance = activation_importance(model, TEXTS)
    teaching = Teaching(drawn(200, seed=4), steps=60, seed=5, step_tokens=260)
    shared = list(block_scores(model, choices, importance, TEXTS, first=1))
    local = list(block_scores(model, choices, importance, TEXTS, first=1, teaching=teaching))
    assert [each.layer for each in local] == [1] * 9 + [2] * 9
    for cut, taught in zip(shared, local, strict=True):
        if taught.block is None:
            assert taught.choice in (0, 8), "the layer itself and no layer have nothing to learn"
            assert taught.divergence == cut.divergence
            continue
        assert 0 < taught.left_over < 0.9
        assert not any(each.requires_grad for each in taught.block.parameters())
        found, _ = compared(model, replaced(model, choices, taught), TEXTS)
        assert found == pytest.approx(taught.divergence, abs=1e-5)
    sums = [sum(each.divergence for each in scores) for scores in (shared, local)]
    assert sums[1] < sums[0]
    again = next(iter(block_scores(model, choices, importance, TEXTS, first=2, teaching=teaching)))
    assert again.divergence == 0
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())


def test_teaching_is_the_same_under_the_same_seed() -> None:
    model = made(SIZES)
    choices = choices_of(SIZES, "halves")
    importance = magnitude_importance(model)

    def taught(seed: int) -> list[float]:
        teaching = Teaching(drawn(40, seed=4), steps=4, seed=seed, step_tokens=52)
        scores = block_scores(model, choices, importance, TEXTS, first=2, teaching=teaching)
        return [each.divergence for each in scores]

    assert taught(1) == taught(1)
    assert not np.allclose(taught(1), taught(2), rtol=1e-9, atol=0)
