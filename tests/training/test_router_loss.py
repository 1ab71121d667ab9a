"""Training of routed layers: what is minimised, who gets its gradient, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from nasviz.corpus.standard_library import read_standard_library
from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.mixture_of_depths import expert_choice
from nasviz.model.dynamic.routed import routed_states
from nasviz.model.dynamic.routers import SkipGates
from nasviz.model.dynamic.runner import Runner
from nasviz.model.parameters import parameter_kinds
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.training.job import Job
from nasviz.training.loop import first_model, run
from nasviz.training.objective import batch_losses, held_out_logits
from nasviz.training.plan import TrainingPlan
from nasviz.training.router_loss import CAPACITY_WEIGHT

SIZES = Architecture(4, 48, 4, 97, 23)
PLAN = TrainingPlan(steps=60, batch_size=8, threads=1)
OPTION = MixtureOfDepths(capacity=0.3)
POLICY = InferencePolicy((OPTION,))


def model_and_batch(policy: InferencePolicy) -> tuple[Transformer, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    tokens = torch.randint(97, (3, 23))
    return build_model(SIZES, policy), tokens, tokens.roll(-1, 1)


def test_the_loss_is_that_of_the_chosen_way_and_the_predictors_own() -> None:
    model, tokens, targets = model_and_batch(POLICY)
    total, own = batch_losses(model, tokens, targets, POLICY, PLAN)
    last, choices = expert_choice(model, OPTION, model.embed(tokens))
    expected = cross_entropy(model.head(last).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(own, expected)
    learned = [
        binary_cross_entropy_with_logits(each.logits, each.chosen.float()) for each in choices
    ]
    torch.testing.assert_close(total, expected + sum(learned) / 2)


def test_predictors_learn_without_moving_the_model_and_routers_by_the_model_s_loss() -> None:
    model, tokens, targets = model_and_batch(POLICY)
    total, own = batch_losses(model, tokens, targets, POLICY, PLAN)
    (total - own).backward(retain_graph=True)
    learned = model.additions["mixture_of_depths"]
    assert all(float(each.weight.grad.abs().sum()) > 0 for each in learned.predictors)
    others = [each for name, each in model.named_parameters() if "predictors" not in name]
    assert all(each.grad is None or float(each.grad.abs().sum()) == 0 for each in others)
    own.backward()
    assert all(float(each.weight.grad.abs().sum()) > 0 for each in learned.routers)


def test_at_full_capacity_training_is_static_bit_for_bit() -> None:
    neutral = InferencePolicy((MixtureOfDepths(capacity=1.0),))
    model, tokens, targets = model_and_batch(neutral)
    total, own = batch_losses(model, tokens, targets, neutral, PLAN)
    static, plain = batch_losses(model, tokens, targets, InferencePolicy(), PLAN)
    assert torch.equal(total, static)
    assert torch.equal(own, plain)
    assert torch.equal(held_out_logits(model, tokens, neutral), model(tokens))


def test_routers_are_small_classifiers_to_the_optimizer() -> None:
    kinds = parameter_kinds(model_and_batch(POLICY)[0])
    found = {name: kind for name, kind in kinds.items() if name.startswith("additions")}
    assert len(found) == 8
    assert {kind for name, kind in found.items() if name.endswith("weight")} == {"router"}


def test_a_trained_model_runs_by_predictors_that_learned_its_routers(tmp_path: Path) -> None:
    text = np.frombuffer(b"the cat sat on the mat and the dog sat on the log. " * 200, np.uint8)
    candidate = Candidate(SIZES.with_(vocab_size=256), POLICY)
    job = Job(
        candidate=candidate, plan=PLAN, train=text, held_out=text[:2_000],
        token_bytes=np.ones(256, dtype=np.int64), directory=tmp_path,
    )  # fmt: skip
    model = first_model(job)
    before = [each.clone() for each in model.additions.parameters()]
    said = []
    outcome = run(job, model, said.append, lambda: "go")
    assert outcome.state == "complete"
    after = list(model.additions.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    loaded = load_checkpoint(tmp_path).eval()
    assert loaded.built_for == POLICY

    tokens = torch.tensor(text[: 20 * 24].astype(np.int64)).view(20, 24)
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    with torch.inference_mode():
        logits, depths = Runner(loaded, POLICY).at_once(inputs)
        nats = cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
        choices = expert_choice(loaded, OPTION, loaded.embed(inputs))[1]
        shown = held_out_logits(loaded, inputs, POLICY)
        untrained = first_model(replace(job, directory=tmp_path / "other")).eval()
        untaught = Runner(untrained, POLICY).at_once(inputs)[0]
    assert torch.equal(shown, logits)
    assert nats < cross_entropy(untaught.flatten(0, 1), targets.flatten()).item() - 1
    right = torch.stack([(each.logits > 0) == each.chosen for each in choices]).float().mean()
    assert right > 0.75  # always saying no would be right for 0.7 of the tokens
    share = (depths.float().mean().item() - 2) / 2
    assert 0.1 < share < 0.6
    curve = [each.bits_per_byte for each in said if each.bits_per_byte is not None]
    assert curve[-1] < 8


SKIPPING = LayerSkip(keep=0.5, choose="router")
SKIP_POLICY = InferencePolicy((SKIPPING,))


def test_gates_are_pulled_to_the_capacity_by_the_share_that_goes_through() -> None:
    model, tokens, targets = model_and_batch(SKIP_POLICY)
    gates = model.additions["layer_skip"].gates
    for bias, gap in ((-5.0, 0 - 1 / 3), (5.0, 1 - 1 / 3)):
        with torch.no_grad():
            for gate in gates:
                gate.weight.zero_()
                gate.bias.fill_(bias)
        model.zero_grad()
        total, own = batch_losses(model, tokens, targets, SKIP_POLICY, PLAN)
        assert (total - own).item() == pytest.approx(CAPACITY_WEIGHT * 3 * gap**2, rel=1e-5)
        (total - own).backward()
        assert all(float(gate.bias.grad) * gap > 0 for gate in gates)


def test_a_layer_that_no_token_goes_through_has_gradients_of_zero() -> None:
    model, tokens, targets = model_and_batch(SKIP_POLICY)
    model.train()
    with torch.no_grad():
        for gate in model.additions["layer_skip"].gates:
            gate.weight.zero_()
            gate.bias.fill_(-5.0)
    batch_losses(model, tokens, targets, SKIP_POLICY, PLAN)[0].backward()
    skipped = list(model.blocks[2].parameters())
    assert all(each.grad is not None and not each.grad.any() for each in skipped)


def test_a_neutral_router_trains_the_static_model_bit_for_bit() -> None:
    neutral = InferencePolicy((LayerSkip(keep=1.0, choose="router"),))
    model, tokens, targets = model_and_batch(neutral)
    total, own = batch_losses(model, tokens, targets, neutral, PLAN)
    static, _ = batch_losses(model, tokens, targets, InferencePolicy(), PLAN)
    assert torch.equal(total, static)
    assert torch.equal(own, static)
    assert not model.additions


class RandomGates:
    """Gates that open by chance, each as often as the learned one, and weigh as that does."""

    def __init__(self, learned: SkipGates, shares: torch.Tensor) -> None:
        self.learned, self.layers, self.shares = learned, learned.layers, shares

    def predict(self, layer: int, hidden: torch.Tensor) -> torch.Tensor:
        opens = torch.rand(hidden.shape[:2]) < self.shares[self.layers.index(layer)]
        return torch.where(opens, 1.0, -1.0)

    def score(self, layer: int, hidden: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
        return self.learned.predict(layer, hidden).abs()


@pytest.mark.slow
def test_a_trained_router_uses_its_capacity_and_is_better_than_chance(tmp_path: Path) -> None:
    text = np.frombuffer(read_standard_library()[:200_000], np.uint8)
    sizes = Architecture(6, 32, 4, 256, 32)
    job = Job(
        candidate=Candidate(sizes, SKIP_POLICY), plan=PLAN.with_(steps=150, batch_size=24),
        train=text[:190_000], held_out=text[190_000:192_000],
        token_bytes=np.ones(256, dtype=np.int64), directory=tmp_path,
    )  # fmt: skip
    assert run(job, first_model(job), lambda said: None, lambda: "go").state == "complete"
    model = load_checkpoint(tmp_path)
    windows = torch.tensor(text[192_000 : 192_000 + 100 * 33].astype(np.int64)).view(100, 33)
    inputs, targets = windows[:, :-1], windows[:, 1:].flatten()
    with torch.inference_mode():
        logits, depths = Runner(model, SKIP_POLICY).logits(inputs)
        nats = cross_entropy(logits.flatten(0, 1), targets).item()
        gates = model.additions["layer_skip"]
        said = torch.stack(routed_states(model, gates, model.embed(inputs))[1])
        by_chance = RandomGates(gates, (said > 0).float().mean(dim=(1, 2)))
        torch.manual_seed(0)
        hidden, drawn = routed_states(model, by_chance, model.embed(inputs))
        worse = cross_entropy(model.head(hidden).flatten(0, 1), targets).item()
    use = (depths.float().mean().item() - 1) / 5
    assert use == pytest.approx(SKIPPING.capacity(6), abs=0.1)
    assert (torch.stack(drawn) > 0).float().mean().item() == pytest.approx(use, abs=0.02)
    assert nats < worse - 0.05
    assert depths.float().std() > 0.2  # not one depth for all
