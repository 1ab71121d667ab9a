"""Training for mixture of depths: what is minimised, who gets its gradient, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.mixture_of_depths import expert_choice
from nasviz.model.dynamic.runner import Runner
from nasviz.model.parameters import parameter_kinds
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.training.job import Job
from nasviz.training.loop import first_model, run
from nasviz.training.objective import batch_losses, held_out_logits
from nasviz.training.plan import TrainingPlan

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
