"""Mixture of depths in the model: what an obvious loop computes, and the same however it is run."""

from __future__ import annotations

import random

import pytest
import torch
from random_models import random_architecture, random_model
from torch import Tensor

from nasviz.errors import InputError
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.mixture_of_depths import expert_choice
from nasviz.model.dynamic.runner import Runner
from nasviz.model.generate import generate
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.weight_quantization import WeightQuantization

PROMPT, STEPS = 11, 6
SAME = {"atol": 1e-9, "rtol": 1e-9}
OPTION = MixtureOfDepths(capacity=0.4, first=1, every=2)


def routed_model(seed: int, option: MixtureOfDepths = OPTION, **fixed) -> Transformer:
    """A model in which predictors let about half of the tokens through."""
    rng = random.Random(seed)
    sizes = {"n_layers": 5, "context_length": 19, "sliding_window": 0, **fixed}
    architecture = random_architecture(rng, **sizes)
    model = build_model(architecture, InferencePolicy((option,)))
    static = random_model(architecture, seed)
    model.load_state_dict(static.state_dict(), strict=False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.additions.parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(drawn if parameter.ndim > 1 else 0 * drawn)  # about half are above 0
    return model.eval().double()


def some_text(model: Transformer, batch: int = 2, tokens: int = PROMPT + STEPS) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(model.architecture.vocab_size, (batch, tokens), generator=generator)


def obviously(model: Transformer, option: MixtureOfDepths, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (T, V) and depths (T,) of one text, token by token: no cache, nothing gathered."""
    learned = model.additions["mixture_of_depths"]
    hidden = model.embed(tokens[None])[0]
    depths = torch.zeros(len(tokens), dtype=torch.long)
    for layer in range(model.architecture.n_layers):
        going = list(range(len(tokens)))
        weights = torch.ones(len(tokens), dtype=hidden.dtype)
        if layer in option.routed(model.architecture.n_layers):
            place = learned.layers.index(layer)
            going = [t for t in going if learned.predictors[place](hidden[t]) > 0]
            weights = torch.sigmoid(learned.routers[place](hidden))
        after = hidden.clone()
        for t in going:
            seen = torch.tensor([s for s in going if s <= t])
            run = model.run_layers(hidden[seen][None], layer, layer + 1, positions=seen[None])
            after[t] = hidden[t] + weights[t] * (run[0, -1] - hidden[t])
            depths[t] += 1
        hidden = after
    return model.head(hidden), depths


@pytest.mark.parametrize("seed", range(6))
@torch.no_grad()
def test_at_once_and_stepped_are_what_an_obvious_loop_computes(seed: int) -> None:
    option = MixtureOfDepths(0.3, first=1 + seed % 2, every=1 + seed % 3)
    model = routed_model(seed, option)
    tokens = some_text(model, 3)
    runner = Runner(model, InferencePolicy((option,)))
    expected = [obviously(model, option, text) for text in tokens]
    for logits, depths in (runner.at_once(tokens), runner.stepped(tokens)):
        torch.testing.assert_close(logits, torch.stack([each[0] for each in expected]), **SAME)
        assert torch.equal(depths, torch.stack([each[1] for each in expected]))
    assert depths.min() < depths.max(), "no token was routed: nothing was tested"
    assert not torch.allclose(logits, model(tokens), atol=1e-3)


@torch.no_grad()
def test_a_prompt_and_its_parts_are_routed_as_steps_are() -> None:
    for seed in range(4):
        model = routed_model(seed)
        tokens = some_text(model)
        runner = Runner(model, InferencePolicy((OPTION,)))
        expected, depths = runner.stepped(tokens)
        for parts in ([PROMPT], [4, PROMPT - 4], [1, 2, PROMPT - 3]):
            reading = runner.new_reading(batch=len(tokens))
            for part in tokens[:, :PROMPT].split(parts, dim=1):
                logits = runner.read(part, reading)
            torch.testing.assert_close(logits, expected[:, PROMPT - 1], **SAME)
            for t in range(PROMPT, PROMPT + STEPS):
                logits = runner.step(tokens[:, t], reading)
                torch.testing.assert_close(logits, expected[:, t], **SAME)
            found = torch.stack(reading.depths, dim=1)
            assert torch.equal(found, depths[:, PROMPT:])


@torch.no_grad()
def test_skipped_tokens_leave_no_keys_and_later_ones_keep_their_positions() -> None:
    model = routed_model(3, position="rope")
    tokens = some_text(model, 1)
    runner = Runner(model, InferencePolicy((OPTION,)))
    reading = runner.new_reading()
    runner.read(tokens[:, :PROMPT], reading)
    for t in range(PROMPT, PROMPT + STEPS):
        runner.step(tokens[:, t], reading)
    held = [reading.cache.positions(layer).shape[2] for layer in range(5)]
    assert [reading.cache.length_of(layer) for layer in range(5)] == [PROMPT + STEPS] * 5
    depths = runner.stepped(tokens)[1]
    assert sum(held) == int(depths.sum())
    assert held[0] == held[2] == held[4] == PROMPT + STEPS > max(held[1], held[3])


@pytest.mark.parametrize("bias", [-1e6, 1e6])
@torch.no_grad()
def test_all_or_no_tokens_may_go_through(bias: float) -> None:
    model = routed_model(2)
    learned = model.additions["mixture_of_depths"]
    for predictor in learned.predictors:
        predictor.bias.fill_(bias)
    tokens = some_text(model)
    runner = Runner(model, InferencePolicy((OPTION,)))
    for logits, depths in (runner.at_once(tokens), runner.stepped(tokens)):
        assert (depths == (5 if bias > 0 else 3)).all()
        expected = torch.stack([obviously(model, OPTION, text)[0] for text in tokens])
        torch.testing.assert_close(logits, expected, **SAME)


@torch.no_grad()
def test_routing_reads_nothing_of_the_future() -> None:
    model = routed_model(4)
    tokens = some_text(model)
    runner = Runner(model, InferencePolicy((OPTION,)))
    changed = tokens.clone()
    changed[:, -3:] = (changed[:, -3:] + 1) % model.architecture.vocab_size
    (before, depths), (after, others) = runner.at_once(tokens), runner.at_once(changed)
    torch.testing.assert_close(before[:, :-3], after[:, :-3], **SAME)
    assert torch.equal(depths[:, :-3], others[:, :-3])
    assert not torch.allclose(before[:, -3:], after[:, -3:], atol=1e-3)


@torch.no_grad()
def test_at_full_capacity_the_static_model_runs_bit_for_bit() -> None:
    neutral = MixtureOfDepths(capacity=1.0)
    for model in (routed_model(1), routed_model(1, neutral)):
        tokens = some_text(model)
        logits, depths = Runner(model, InferencePolicy((neutral,))).at_once(tokens)
        assert torch.equal(logits, model(tokens))
        assert (depths == 5).all()


@torch.no_grad()
def test_in_training_a_layer_takes_the_tokens_that_its_router_likes_best() -> None:
    model = routed_model(5)
    tokens = some_text(model, 3)
    hidden, choices = expert_choice(model, OPTION, model.embed(tokens))
    learned = model.additions["mixture_of_depths"]
    stream = model.run_layers(model.embed(tokens), 0, 1)
    scores = learned.routers[0](stream)
    for row, chosen in enumerate(choices[0].chosen):
        assert chosen.sum() == OPTION.chosen(tokens.shape[1]) == 7
        assert scores[row][chosen].min() > scores[row][~chosen].max()
    assert hidden.shape == stream.shape
    assert len(choices) == 2


@pytest.mark.parametrize(
    "other", [KVQuantization(bits=8, group=2, residual=1), WeightQuantization(bits=8)]
)
@torch.no_grad()
def test_with_bits_a_batch_is_its_texts_one_by_one(other) -> None:
    model = routed_model(6, experts=1)
    model = model.float() if isinstance(other, WeightQuantization) else model
    same = {"atol": 1e-4, "rtol": 1e-4} if isinstance(other, WeightQuantization) else SAME
    tokens = some_text(model, 3)
    runner = Runner(model, InferencePolicy((OPTION, other)))
    together, depths = runner.logits(tokens)
    for row, text in enumerate(tokens.split(1)):
        alone, own = runner.stepped(text)
        torch.testing.assert_close(alone[0], together[row], **same)
        assert torch.equal(own[0], depths[row])


def test_generation_goes_on_beyond_the_context() -> None:
    model = routed_model(7)
    made = generate(model, [3, 1, 4, 1, 5], 40, policy=InferencePolicy((OPTION,)))
    assert made.rereads > 0
    assert 3 <= min(made.depths) < 5


def test_routers_must_have_been_trained() -> None:
    static = random_model(random_architecture(random.Random(0), n_layers=5, sliding_window=0))
    with pytest.raises(InputError, match="routers that this model was not trained with"):
        Runner(static, InferencePolicy((OPTION,)))
    with pytest.raises(InputError, match=r"routes layers 1, 2, 3, 4.*learned routers of 1, 3;"):
        Runner(routed_model(1), InferencePolicy((MixtureOfDepths(every=1),)))
    Runner(routed_model(1), InferencePolicy((MixtureOfDepths(capacity=0.9),)))
