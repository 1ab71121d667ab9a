"""Runs of two real processes, joined by gloo."""

from __future__ import annotations

import pytest

from nasviz.errors import RunError
from nasviz.space.candidate import Candidate
from nasviz.training.plan import TrainingPlan
from nasviz.training.trainer import train_candidate

ALONE = TrainingPlan(steps=8, batch_size=6, threads=1)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("optimizer", "stage"), [("muon", 0), ("muon", 1), ("muon", 2), ("adamw", 3)]
)
def test_two_processes_train_as_one_does(candidate, text, tmp_path, optimizer, stage):
    alone = ALONE.with_(optimizer=optimizer)
    one = train_candidate(candidate, alone, text, directory=tmp_path / "one")
    seen = []
    two = train_candidate(
        candidate,
        alone.with_(devices=2, zero_stage=stage),
        text,
        directory=tmp_path / "two",
        report=seen.append,
        score=lambda model: sum(each.numel() for each in model.parameters()),
    )
    assert two.loss == pytest.approx(one.loss, abs=2e-4)
    assert seen[-1].step == 8
    assert two.score == two.parameters


@pytest.mark.parametrize(("optimizer", "stage"), [("muon", 1), ("muon", 2), ("adamw", 3)])
def test_processes_that_choose_other_experts_still_train_together(
    candidate, text, tmp_path, optimizer, stage
):
    # Two texts a process, thirteen tokens each: hardly ever do they visit the same of 16 experts.
    routed = Candidate(candidate.architecture.with_(experts=16, experts_per_token=1))
    plan = ALONE.with_(optimizer=optimizer, batch_size=2, balance_loss=0.0)
    one = train_candidate(routed, plan, text, directory=tmp_path / "one")
    shared = plan.with_(devices=2, zero_stage=stage)
    two = train_candidate(routed, shared, text, directory=tmp_path / "two")
    assert two.loss == pytest.approx(one.loss, abs=2e-4)


@pytest.mark.parametrize(("optimizer", "stage"), [("muon", 2), ("adamw", 3)])
def test_two_paused_processes_go_on_as_if_they_had_not_stopped(
    candidate, text, tmp_path, optimizer, stage
):
    # Slow enough a run for the command to arrive in the middle of it.
    plan = ALONE.with_(devices=2, zero_stage=stage, optimizer=optimizer, steps=24)
    whole = train_candidate(candidate, plan, text, directory=tmp_path / "whole")
    steps = [0]
    paused = train_candidate(
        candidate,
        plan,
        text,
        directory=tmp_path / "parts",
        report=lambda progress: steps.append(progress.step),
        control=lambda: "pause" if steps[-1] else "go",
    )
    assert paused.state == "paused"
    assert 0 < paused.steps < 24
    resumed = train_candidate(candidate, plan, text, directory=tmp_path / "parts")
    assert resumed.state == "complete"
    assert resumed.loss == pytest.approx(whole.loss, abs=1e-6)


def test_a_failure_in_the_processes_comes_back_with_its_reason(candidate, text, tmp_path):
    plan = ALONE.with_(
        devices=2, learning_rate=10.0, optimizer="adamw", steps=400, weight_decay=10.0
    )
    with pytest.raises(RunError, match="not a number") as caught:
        train_candidate(candidate, plan, text, directory=tmp_path)
    assert caught.value.reason == "not a number"
