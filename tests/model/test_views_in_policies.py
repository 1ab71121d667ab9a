"""Views of weights on the road that generation takes, beside exits and caches."""

from __future__ import annotations

import random

import pytest
import torch
from random_models import random_architecture, random_model
from view_cases import EXACT, OPTIONS, TOLERANCE, gap, name, tokens_for

from nasviz.errors import InputError
from nasviz.model.dynamic.runner import Runner
from nasviz.model.dynamic.views import view
from nasviz.model.generate import generate
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.option import Option
from nasviz.space.options.weight_quantization import WeightQuantization

EVERY = pytest.mark.parametrize("option", OPTIONS, ids=name)
MANY = pytest.mark.parametrize("seed", range(4))


def deep_model(seed: int) -> Transformer:
    sizes = {"n_layers": 5, "context_length": 19, "sliding_window": 0, "experts": 1}
    return random_model(random_architecture(random.Random(seed), **sizes), seed)


@EVERY
@MANY
@torch.inference_mode()
def test_a_runner_computes_with_the_view(option: Option, seed: int) -> None:
    model = deep_model(seed)
    policy = InferencePolicy((option,))
    runner = Runner(model, policy)
    tokens = tokens_for(model, 2)
    assert runner.model.architecture == option.running(model.architecture)
    logits, depths = runner.stepped(tokens)
    assert depths.unique().tolist() == [runner.model.architecture.n_layers]
    assert gap(logits, view(model, policy)(tokens)) < TOLERANCE.get(type(option), EXACT)


@EVERY
@MANY
def test_generation_is_that_of_the_view_as_a_model_of_its_own(option: Option, seed: int) -> None:
    model = deep_model(seed)
    policy = InferencePolicy((option,))
    found = generate(model, [1, 2, 3], 12, policy=policy)
    assert found.tokens == generate(view(model, policy), [1, 2, 3], 12).tokens


@EVERY
@MANY
@pytest.mark.parametrize("skipped_layers", ["propagate", "recompute"])
@torch.inference_mode()
def test_exits_nobody_takes_leave_the_view_as_it_is(
    option: Option, seed: int, skipped_layers: str
) -> None:
    model = deep_model(seed)
    exits = EarlyExit(threshold=1.0, skipped_layers=skipped_layers)
    tokens = tokens_for(model, 2)
    alone, _ = Runner(model, InferencePolicy((option,))).stepped(tokens)
    beside, _ = Runner(model, InferencePolicy((option, exits))).stepped(tokens)
    assert gap(beside, alone) < TOLERANCE.get(type(option), EXACT)


@EVERY
@MANY
@pytest.mark.parametrize("skipped_layers", ["propagate", "recompute"])
@torch.inference_mode()
def test_exits_and_a_window_work_on_a_view_as_on_a_model(
    option: Option, seed: int, skipped_layers: str
) -> None:
    model = deep_model(seed)
    others = (EarlyExit(threshold=0.3, skipped_layers=skipped_layers), KVWindow(window=7, sinks=2))
    tokens = tokens_for(model, 2)
    policy = InferencePolicy((option, *others))
    found, depths = Runner(model, policy).stepped(tokens)
    on_its_own = view(model, policy)
    expected, same_depths = Runner(on_its_own, InferencePolicy(others)).stepped(tokens)
    assert torch.equal(depths, same_depths)
    assert torch.equal(found, expected)
    assert depths.max() <= on_its_own.architecture.n_layers


@MANY
@torch.inference_mode()
def test_everything_at_once_runs_and_is_read_the_same_in_a_batch(seed: int) -> None:
    model = deep_model(seed)
    policy = InferencePolicy((
        DynamicWidth(0.5, 0.5), LayerSkip(0.6), WeightQuantization(8), EarlyExit(threshold=0.2),
        KVWindow(window=7, sinks=2), KVQuantization(bits=8, group=4, residual=2),
    ))  # fmt: skip
    runner = Runner(model, policy)
    tokens = tokens_for(model, 3)
    together, depths = runner.stepped(tokens)
    for row in range(3):
        alone, its_depths = runner.stepped(tokens[row : row + 1])
        assert torch.equal(depths[row], its_depths[0])
        assert gap(together[row], alone[0]) < TOLERANCE[WeightQuantization]


def test_a_policy_that_rests_on_influence_says_how_to_measure_it() -> None:
    with pytest.raises(InputError, match="needs measured scores"):
        Runner(deep_model(0), InferencePolicy((LayerSkip(0.5, "influence"),)))
