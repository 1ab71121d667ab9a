from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from nasviz.errors import InputError, RunError
from nasviz.model.checkpoint import load_checkpoint
from nasviz.training.plan import TrainingPlan
from nasviz.training.trainer import train_candidate

PLAN = TrainingPlan(steps=12, batch_size=6, threads=1)


def curve(candidate, plan, text, directory, **more):
    seen = []
    result = train_candidate(candidate, plan, text, directory=directory, report=seen.append, **more)
    return result, seen


def test_a_run_learns_reports_and_leaves_its_weights(candidate, text, tmp_path):
    plan = PLAN.with_(steps=60)
    result, seen = curve(candidate, plan, text, tmp_path, score=lambda model: model)
    assert result.state == "complete"
    assert result.steps == 60
    assert result.tokens == 60 * 6 * 13
    assert result.bytes == 2 * result.tokens
    assert result.epochs == pytest.approx(60 * 6 / 306)
    assert seen[0].step == 1
    assert seen[-1].step == seen[-1].n_steps == 60
    assert seen[0].loss == pytest.approx(math.log(31), abs=0.1)
    assert seen[-1].loss < seen[0].loss - 0.3
    estimates = [each.bits_per_byte for each in seen if each.bits_per_byte is not None]
    assert len(estimates) >= 7
    assert estimates[-1] < estimates[0]
    assert seen[-1].eta_s == 0
    assert seen[-1].memory_bytes > 2**20
    stored = load_checkpoint(tmp_path).state_dict()
    for name, tensor in result.score.state_dict().items():
        assert torch.equal(stored[name], tensor), name
    assert not list(tmp_path.glob("unfinished*"))


def test_the_same_seed_gives_the_same_loss_and_another_one_another(candidate, text, tmp_path):
    losses = [
        curve(candidate, PLAN.with_(seed=seed), text, tmp_path / str(i))[1][-1].loss
        for i, seed in enumerate((4, 4, 5))
    ]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.1}], ids=["plain", "with dropout"])
def test_a_paused_run_goes_on_as_if_it_had_not_stopped(candidate, text, tmp_path, changes):
    from nasviz.space.candidate import Candidate

    candidate = Candidate(candidate.architecture.with_(**changes))
    _, whole = curve(candidate, PLAN, text, tmp_path / "whole")
    asked = iter(["go"] * 5 + ["pause"])
    paused, _ = curve(candidate, PLAN, text, tmp_path / "parts", control=lambda: next(asked))
    assert paused.state == "paused"
    assert paused.steps == 5
    assert paused.score is None
    resumed, seen = curve(candidate, PLAN, text, tmp_path / "parts")
    assert resumed.state == "complete"
    assert seen[0].step == 6
    assert seen[-1].loss == whole[-1].loss
    assert seen[-1].bits_per_byte == whole[-1].bits_per_byte
    assert resumed.seconds > paused.seconds


def test_an_unfinished_run_of_something_else_is_not_continued(candidate, text, tmp_path):
    curve(candidate, PLAN, text, tmp_path, control=lambda: "pause")
    with pytest.raises(InputError, match="unfinished run of another"):
        curve(candidate, PLAN.with_(seed=9), text, tmp_path)


def test_cancel_stops_before_the_next_step(candidate, text, tmp_path):
    asked = iter(["go"] * 3 + ["cancel"])
    result, _ = curve(candidate, PLAN, text, tmp_path, control=lambda: next(asked))
    assert result.state == "cancelled"
    assert result.steps == 3
    assert not list(tmp_path.glob("unfinished*"))


def test_a_rate_that_blows_up_ends_as_a_failure_with_its_reason(candidate, text, tmp_path):
    plan = PLAN.with_(learning_rate=10.0, optimizer="adamw", steps=400, warmup_share=0.0)
    plan = plan.with_(weight_decay=10.0)
    with pytest.raises(RunError, match="not a number at step") as caught:
        curve(candidate, plan, text, tmp_path)
    assert caught.value.reason == "not a number"


def test_memory_that_runs_out_ends_as_a_failure_with_its_reason(candidate, text, tmp_path):
    def refuse() -> str:
        torch.empty(2**62, dtype=torch.uint8)
        return "go"

    with pytest.raises(RunError, match="smaller batch") as caught:
        curve(candidate, PLAN, text, tmp_path, control=refuse)
    assert caught.value.reason == "out of memory"


def test_a_model_that_learns_nothing_is_flagged_as_a_plateau(candidate, text, tmp_path):
    stuck, _ = curve(candidate, PLAN.with_(learning_rate=1e-7), text, tmp_path / "stuck")
    assert stuck.plateau
    learnt, _ = curve(candidate, PLAN.with_(steps=150), text, tmp_path / "learnt")
    assert not learnt.plateau


def test_accumulated_parts_make_the_update_of_the_whole_batch(candidate, text, tmp_path):
    whole, _ = curve(candidate, PLAN, text, tmp_path / "whole")
    parts, _ = curve(candidate, PLAN.with_(gradient_accumulation=3), text, tmp_path / "parts")
    assert parts.loss == pytest.approx(whole.loss, abs=1e-3)


def test_recomputed_activations_change_nothing_but_memory(candidate, text, tmp_path):
    plain, _ = curve(candidate, PLAN, text, tmp_path / "plain")
    plan = PLAN.with_(activation_checkpointing=True)
    again, _ = curve(candidate, plan, text, tmp_path / "again")
    assert again.loss == pytest.approx(plain.loss, abs=1e-5)


def test_a_budget_in_seconds_ends_by_the_clock(candidate, text, tmp_path):
    plan = TrainingPlan(seconds=0.8, batch_size=6, threads=1)
    result, seen = curve(candidate, plan, text, tmp_path)
    assert 0.8 <= result.seconds < 2.0
    assert result.steps > 3
    assert seen[-1].n_steps >= seen[-1].step


@pytest.mark.parametrize("stage", [1, 2])
def test_alone_a_zero_stage_trains_as_stage_0_does(candidate, text, tmp_path, stage):
    plain, _ = curve(candidate, PLAN, text, tmp_path / "plain")
    zero, _ = curve(candidate, PLAN.with_(zero_stage=stage), text, tmp_path / "zero")
    assert zero.loss == pytest.approx(plain.loss, abs=1e-4)


def test_alone_at_stage_3_whole_weights_are_scored(candidate, text, tmp_path):
    plan = TrainingPlan(steps=2, optimizer="adamw", zero_stage=3, threads=1)
    result, _ = curve(
        candidate,
        plan,
        text,
        tmp_path,
        score=lambda model: sum(each.numel() for each in model.parameters()),
    )
    assert result.score == result.parameters


def test_offloaded_optimizer_state_trains_the_same(candidate, text, tmp_path):
    plan = PLAN.with_(zero_stage=2)
    here, _ = curve(candidate, plan, text, tmp_path / "here")
    away, _ = curve(candidate, plan.with_(offload=True), text, tmp_path / "away")
    assert away.loss == pytest.approx(here.loss, abs=1e-4)


def test_a_text_shorter_than_the_context_is_refused(candidate, text, tmp_path):
    short = type(text)({**text.parts, "train": text.parts["train"][:13]}, text.token_bytes)
    with pytest.raises(InputError, match="13 tokens and context_length=13 needs more"):
        curve(candidate, PLAN, short, tmp_path)


def test_more_processes_than_the_machine_serves_are_refused(candidate, text, tmp_path):
    plan = TrainingPlan(steps=1, devices=4000)
    with pytest.raises(InputError, match=r"devices=4000 is more than .* serve; choose at most"):
        train_candidate(candidate, plan, text, directory=tmp_path)


def test_another_vocabularys_tokens_are_refused(candidate, text, tmp_path):
    other = type(text)(text.parts, np.ones(29, dtype=np.int64))
    with pytest.raises(InputError, match="vocab_size=31 is not the tokenizer's 29"):
        curve(candidate, PLAN, other, tmp_path)


def test_twenty_trials_leave_memory_threads_and_descriptors_flat(candidate, text, tmp_path):
    process = psutil.Process()

    def held() -> tuple[float, int, int]:
        return process.memory_info().rss / 2**20, process.num_threads(), process.num_fds()

    for trial in range(20):
        curve(candidate, PLAN.with_(steps=3, seed=trial), text, tmp_path / str(trial))
        if trial == 3:
            before = held()
    after = held()
    assert after[0] - before[0] < 12, "MB of memory"
    assert after[1] <= before[1], "threads"
    assert after[2] <= before[2], "descriptors"


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import TinyText, tiny_tokens, VOCABULARY
import numpy as np
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.training.plan import TrainingPlan
from nasviz.training.trainer import train_candidate
text = TinyText({"train": tiny_tokens(501, 0), "search": tiny_tokens(101, 1)},
                np.ones(VOCABULARY, dtype=np.int64))
candidate = Candidate(Architecture(1, 8, 2, VOCABULARY, 7))
plan = TrainingPlan(steps=2, batch_size=2, zero_stage=int(sys.argv[3]), threads=1)
train_candidate(candidate, plan, text, directory=sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 2])
def test_nothing_reaches_standard_output_and_no_compiler_is_asked(tmp_path, stage):
    compiler = tmp_path / "bin" / "gcc"
    compiler.parent.mkdir()
    asked = tmp_path / "asked"
    compiler.write_text(f"#!/bin/sh\ntouch {asked}\nexit 1\n")
    compiler.chmod(0o755)
    for name in ("g++", "cc", "c++", "clang", "ninja"):
        (compiler.parent / name).symlink_to(compiler)
    here = str(Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, here, str(tmp_path / "run"), str(stage)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{compiler.parent}:{os.environ['PATH']}"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert not asked.exists()
    assert json.loads((tmp_path / "run" / "architecture.json").read_text())["d_model"] == 8
