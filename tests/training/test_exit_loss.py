"""Training for early exit: what is minimised, what it costs, and that exits get better by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.estimate import estimate
from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.training.job import Job
from nasviz.training.loop import first_model, run
from nasviz.training.objective import batch_losses
from nasviz.training.plan import TrainingPlan

SIZES = Architecture(4, 48, 4, 97, 23)
PLAN = TrainingPlan(steps=30, batch_size=8, threads=1)


def model_and_batch(option: EarlyExit | None) -> tuple[Transformer, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    policy = InferencePolicy(() if option is None else (option,))
    tokens = torch.randint(97, (3, 23))
    return build_model(SIZES, policy), tokens, tokens.roll(-1, 1)


def test_without_options_the_loss_is_the_model_s_own() -> None:
    model, tokens, targets = model_and_batch(None)
    total, own = batch_losses(model, tokens, targets, InferencePolicy(), PLAN)
    assert total is own
    expected = cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("heads", ["shared", "own"])
def test_exits_are_weighted_by_depth_and_their_weights_add_up(heads: str) -> None:
    option = EarlyExit(first=1, every=2, heads=heads)
    model, tokens, targets = model_and_batch(option)
    policy = InferencePolicy((option,))
    total, own = batch_losses(model, tokens, targets, policy, replace(PLAN, exit_loss=0.5))
    expected = own.item()
    for place, layer in enumerate((1, 3)):
        state = model.run_layers(model.embed(tokens), 0, layer)
        head = model.additions["early_exit"].heads[place] if heads == "own" else model.head
        loss = cross_entropy(head(state).flatten(0, 1), targets.flatten())
        expected += 0.5 * layer / 4 * loss.item()
    assert total.item() == pytest.approx(expected, rel=1e-5)


def test_a_gate_s_loss_leaves_the_model_alone() -> None:
    option = EarlyExit(criterion="gate")
    model, tokens, targets = model_and_batch(option)
    policy = InferencePolicy((option,))
    plan = replace(PLAN, exit_loss=0.0)
    total, own = batch_losses(model, tokens, targets, policy, plan)
    assert total.item() > own.item()
    (total - own).backward()
    gates = model.additions["early_exit"].gates
    assert all(float(gate.weight.grad.abs().sum()) > 0 for gate in gates)
    assert float(model.blocks[0].feed_forward.up.weight.grad.abs().sum()) == 0


@pytest.mark.parametrize("heads", ["shared", "own"])
@pytest.mark.parametrize("criterion", ["entropy", "gate"])
def test_training_costs_and_parameters_are_those_counted(heads: str, criterion: str) -> None:
    option = EarlyExit(first=1, every=2, heads=heads, criterion=criterion)
    policy = InferencePolicy((option,))
    with torch.device("meta"):
        model = build_model(SIZES, policy)
        tokens = torch.zeros((3, 23), dtype=torch.long)
    cost = estimate(Candidate(SIZES, policy))
    counted = sum(each.numel() for each in model.parameters())
    assert cost.parameters.total == counted
    if criterion != "gate":
        with FlopCounterMode(display=False) as counter:
            batch_losses(model, tokens, tokens, policy, PLAN)[0].backward()
        assert cost.flops.training_per_token * tokens.numel() == counter.get_total_flops()


def job(option: EarlyExit, plan: TrainingPlan, directory: Path) -> Job:
    text = np.frombuffer(b"the cat sat on the mat and the dog sat on the log. " * 200, np.uint8)
    return Job(
        candidate=Candidate(SIZES.with_(vocab_size=256), InferencePolicy((option,))),
        plan=plan,
        train=text,
        held_out=text[:2_000],
        token_bytes=np.ones(256, dtype=np.int64),
        directory=directory,
    )


def exit_nats(model: Transformer, tokens: torch.Tensor, layer: int) -> float:
    with torch.inference_mode():
        logits = model.head(model.run_layers(model.embed(tokens[:, :-1]), 0, layer))
        return cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).item()


def test_exit_losses_make_early_exits_better(tmp_path: Path) -> None:
    nats = {}
    for weight in (0.0, 1.0):
        plan = replace(PLAN, exit_loss=weight)
        one = job(EarlyExit(), plan, tmp_path / str(weight))
        model = first_model(one)
        run(one, model, lambda progress: None, lambda: "go")
        tokens = torch.tensor(one.held_out[: 20 * 24].astype(np.int64)).view(20, 24)
        nats[weight] = exit_nats(model, tokens, 1)
    assert nats[1.0] < nats[0.0] - 0.2


def test_own_heads_and_gates_are_trained_kept_and_loaded(tmp_path: Path) -> None:
    option = EarlyExit(heads="own", criterion="gate", first=2)
    one = job(option, PLAN, tmp_path)
    model = first_model(one)
    before = [each.clone() for each in model.additions.parameters()]
    outcome = run(one, model, lambda progress: None, lambda: "go")
    assert outcome.state == "complete"
    after = list(model.additions.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    loaded = load_checkpoint(tmp_path)
    assert loaded.built_for == InferencePolicy((option,))
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_layer_dropout_spares_the_first_layer_and_is_off_in_evaluation() -> None:
    model, tokens, _ = model_and_batch(None)
    model.set_layer_dropout(0.9)
    model.eval()
    torch.testing.assert_close(model(tokens), model_and_batch(None)[0].eval()(tokens))
    model.train()
    hidden = model.embed(tokens)
    first = model.run_layers(hidden, 0, 1)
    assert not torch.equal(first, hidden)
    skipped = sum(torch.equal(model.run_layers(first[:1], 3, 4), first[:1]) for _ in range(300))
    assert 0.83 < skipped / 300 < 0.97
