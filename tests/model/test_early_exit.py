"""Early exit in the model: exact where it promises to be, and the same however it is run."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from random_models import random_architecture, random_model

from nasviz.errors import InputError
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.confidence import from_logits
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit

CRITERIA = ("max_probability", "margin", "entropy", "saturation", "patience", "gate")
TOKENS = 11


def trained_like(option: EarlyExit, seed: int) -> Transformer:
    """A model of random weights with what `option` learns, every weight random."""
    rng = random.Random(seed)
    architecture = random_architecture(rng, n_layers=5, context_length=19, experts=1)
    model = build_model(architecture, InferencePolicy((option,))).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return model


def texts(model: Transformer, batch: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.architecture.vocab_size, (batch, TOKENS), generator=generator)


def middle_threshold(model: Transformer, option: EarlyExit, tokens: torch.Tensor) -> EarlyExit:
    """The option at a threshold under which some tokens leave early and some don't."""
    for threshold in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        tried = replace(option, threshold=threshold)
        depths = Runner(model, InferencePolicy((tried,))).logits(tokens)[1]
        if 0 < int((depths < model.architecture.n_layers).sum()) < depths.numel():
            return tried
    pytest.skip("no threshold divides these tokens")


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("seed", range(4))
@torch.inference_mode()
def test_recomputed_steps_say_exactly_what_one_pass_over_the_text_says(
    criterion: str, seed: int
) -> None:
    option = EarlyExit(criterion=criterion, first=1 + seed % 2, skipped_layers="recompute")
    model = trained_like(option, seed)
    tokens = texts(model, 3)
    option = middle_threshold(model, option, tokens)
    runner = Runner(model, InferencePolicy((option,)))
    at_once, depths = runner.logits(tokens)
    stepped, stepped_depths = runner.stepped(tokens)
    assert torch.equal(depths, stepped_depths)
    torch.testing.assert_close(at_once, stepped, rtol=1e-4, atol=1e-4)
    full = model(tokens)
    whole = depths == model.architecture.n_layers
    torch.testing.assert_close(stepped[whole], full[whole], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(stepped[~whole], full[~whole], atol=1e-2)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("seed", range(4))
@torch.inference_mode()
def test_propagated_steps_say_exactly_what_one_pass_over_the_text_says(
    criterion: str, seed: int
) -> None:
    option = EarlyExit(criterion=criterion, first=1 + seed % 2, decay=seed)
    model = trained_like(option, seed)
    tokens = texts(model, 3)
    option = middle_threshold(model, option, tokens)
    runner = Runner(model, InferencePolicy((option,)))
    at_once = runner.at_once(tokens)
    assert at_once is not None
    stepped, depths = runner.stepped(tokens)
    assert torch.equal(at_once[1], depths)
    torch.testing.assert_close(at_once[0], stepped, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("skipped_layers", ["propagate", "recompute"])
@torch.inference_mode()
def test_a_batch_is_read_as_each_sequence_alone(criterion: str, skipped_layers: str) -> None:
    option = EarlyExit(criterion=criterion, skipped_layers=skipped_layers)
    model = trained_like(option, 7)
    tokens = texts(model, 4)
    option = middle_threshold(model, option, tokens)
    runner = Runner(model, InferencePolicy((option,)))
    together, depths = runner.stepped(tokens)
    for row in range(len(tokens)):
        alone, own_depths = runner.stepped(tokens[row : row + 1])
        assert torch.equal(own_depths[0], depths[row])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_propagated_states_are_what_an_obvious_loop_computes() -> None:
    option = EarlyExit(criterion="max_probability")
    for seed in range(4):
        model = trained_like(option, seed)
        tokens = texts(model, 1)
        policy = InferencePolicy((middle_threshold(model, option, tokens),))
        stepped, depths = Runner(model, policy).stepped(tokens)
        # Row t of every layer's input: the state of token t there, frozen once it has left.
        n_layers = model.architecture.n_layers
        inputs = [torch.empty(1, 0, model.architecture.d_model) for _ in range(n_layers)]
        embedded = model.embed(tokens)
        for t in range(TOKENS):
            state = embedded[:, t : t + 1]
            for layer in range(n_layers):
                inputs[layer] = torch.cat((inputs[layer], state), dim=1)
                if layer < depths[0, t]:
                    state = model.run_layers(inputs[layer], layer, layer + 1)[:, -1:]
            torch.testing.assert_close(model.head(state[:, 0]), stepped[:, t], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("skipped_layers", ["propagate", "recompute"])
@torch.inference_mode()
def test_at_threshold_one_the_static_model_runs_bit_for_bit(skipped_layers: str) -> None:
    option = EarlyExit(threshold=1.0, skipped_layers=skipped_layers)
    model = random_model(random_architecture(random.Random(3), n_layers=3))
    tokens = texts(model, 2)
    runner = Runner(model, InferencePolicy((option,)))
    logits, depths = runner.logits(tokens)
    assert torch.equal(logits, model(tokens))
    assert bool((depths == 3).all())


@torch.inference_mode()
def test_at_threshold_nought_every_token_leaves_at_the_first_exit() -> None:
    option = EarlyExit(threshold=0.0, first=2, skipped_layers="recompute")
    model = trained_like(option, 5)
    tokens = texts(model, 2)
    logits, depths = Runner(model, InferencePolicy((option,))).logits(tokens)
    assert bool((depths == 2).all())
    early = model.head(model.run_layers(model.embed(tokens), 0, 2))
    torch.testing.assert_close(logits, early, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_reading_on_after_early_exits_takes_waiting_tokens_along() -> None:
    option = EarlyExit(threshold=0.3, skipped_layers="recompute")
    model = trained_like(option, 2)
    tokens = texts(model, 1)
    runner = Runner(model, InferencePolicy((replace(option, threshold=0.0),)))
    reading = runner.new_reading()
    runner.read(tokens[:, :3], reading)
    for t in range(3, 7):
        runner.step(tokens[:, t], reading)
    assert reading.pending
    after = runner.read(tokens[:, 7:], reading)
    torch.testing.assert_close(after, model(tokens)[:, -1], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_thresholds_may_differ_by_exit_and_fall_along_the_text() -> None:
    option = EarlyExit(layers=(1, 3), criterion="entropy", skipped_layers="recompute")
    model = trained_like(option, 1)
    tokens = texts(model, 4)
    never_first = replace(option, thresholds=(1.0, 0.0))
    depths = Runner(model, InferencePolicy((never_first,))).logits(tokens)[1]
    assert bool((depths == 3).all())
    falling = replace(option, threshold=0.2, decay=2.0)
    _, depths = Runner(model, InferencePolicy((falling,))).logits(tokens)
    states = model.run_layers(model.embed(tokens), 0, 1)
    confidence = from_logits("entropy", model.head(states))
    place = torch.arange(TOKENS) / model.architecture.context_length
    level = (0.9 * 0.2 + 0.1 * torch.exp(-2.0 * place)).float()
    clear = (confidence - level).abs() > 1e-5
    assert torch.equal((depths == 1)[clear], (confidence > level)[clear])


def test_heads_and_gates_must_have_been_trained() -> None:
    model = random_model(random_architecture(random.Random(0), n_layers=3))
    with pytest.raises(InputError, match="needs heads that this model was not trained with"):
        Runner(model, InferencePolicy((EarlyExit(heads="own"),)))
    gated = EarlyExit(criterion="gate", layers=(2,))
    model = trained_like(gated, 0)
    with pytest.raises(InputError, match="model learned gates after 2"):
        Runner(model, InferencePolicy((replace(gated, layers=(1, 2)),)))
    Runner(model, InferencePolicy((gated,)))
    Runner(model, InferencePolicy((EarlyExit(first=1),)))  # any exit of the model's own head
