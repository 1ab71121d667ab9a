"""What doesn't fit into memory fails before it is built, and what may fit is not refused."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.execution import memory, runner
from nasviz.execution.memory import (
    available_bytes,
    check_memory,
    check_room_for,
    teacher_bytes,
    training_memory,
)
from nasviz.model.transformer import Transformer
from nasviz.study import queue
from nasviz.training.failures import TrainingError

# 24 layers of 8,192: 20 billion weights, 233 GB of training state.
GIANT = Candidate(Architecture(24, 8192, 64, 256, 13))
SMALL = Candidate(Architecture(2, 22, 11, 256, 13))


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> int:
    """A machine with 8 GB free, whatever this one has."""
    monkeypatch.setattr(memory, "available_bytes", lambda: 8_000_000_000)
    return 8_000_000_000


def test_a_giant_fails_before_it_is_built_as_a_trial_with_its_reason(
    tmp_path: Path, corpus: str, free: int
) -> None:
    study = Study.open(tmp_path / "study.db")
    study.add(GIANT, TrainingPlan(steps=2, batch_size=1), corpus)
    trial = queue.claim(study, worker=0)
    assert trial is not None
    before = psutil.Process().memory_info().rss
    runner.run_trial(study, trial, lambda: False)
    assert psutil.Process().memory_info().rss - before < 2e9
    failed = study.trial(0)
    study.close()
    assert failed.state == "failed"
    assert failed.reason.startswith("out of memory: training needs 2")
    assert " GB at the least (weights, gradients and optimizer 2" in failed.reason
    assert "this machine has 8 GB free; choose fewer or narrower layers" in failed.reason


def test_a_batch_that_does_not_fit_asks_for_a_smaller_one(free: int) -> None:
    with pytest.raises(TrainingError, match="free; use a smaller batch, gradient_accumulation"):
        check_memory(SMALL, TrainingPlan(steps=2, batch_size=1_000_000), 1.0)
    check_memory(SMALL, TrainingPlan(steps=2, batch_size=1_000), 1.0)


def test_what_is_a_little_above_what_is_free_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = TrainingPlan(steps=2, batch_size=101)
    needed = training_memory(SMALL, plan, 1.0).training_total_bytes
    monkeypatch.setattr(memory, "available_bytes", lambda: int(needed / 1.05))
    check_memory(SMALL, plan, 1.0)
    monkeypatch.setattr(memory, "available_bytes", lambda: int(needed / 1.2))
    with pytest.raises(TrainingError, match="training needs"):
        check_memory(SMALL, plan, 1.0)


def test_processes_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = TrainingPlan(steps=2, batch_size=100)
    needed = training_memory(SMALL, plan, 1.0).training_total_bytes
    monkeypatch.setattr(memory, "available_bytes", lambda: needed)
    check_memory(SMALL, plan, 1.0)
    with pytest.raises(TrainingError, match="training needs"):
        check_memory(SMALL, plan.with_(devices=2, batch_size=200), 1.0)


def test_adapters_hold_no_gradients_of_what_they_correct() -> None:
    plan = TrainingPlan(steps=2, batch_size=7, precision="fp32")
    whole = training_memory(SMALL, plan, 1.0)
    adapted = training_memory(SMALL, plan.with_(lora_rank=2), 1.0)
    weights = 4 * sum(each.numel() for each in Transformer(SMALL.architecture).parameters())
    assert adapted.training_state_bytes == weights < whole.training_state_bytes / 2
    assert adapted.training_total_bytes == weights + whole.training_activations_bytes


def test_a_teacher_counts_with_its_weights_and_what_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent = Architecture(5, 44, 11, 523, 19)
    plan = TrainingPlan(steps=2, batch_size=7, distillation=1.0, precision="fp32")
    weights = 4 * sum(each.numel() for each in Transformer(parent).parameters())
    assert teacher_bytes(parent, SMALL, plan, 1.0) == weights + 7 * 13 * 4 * (523 + 3 * 256)
    # Where it is 1,056 wide a layer's inner vectors are more than all that.
    wide = parent.with_(d_model=1056, n_heads=11)
    assert teacher_bytes(wide, SMALL, plan, 1.0) > 4 * 13 * 7 * (2 * 1056 + wide.d_ff)
    with_states = plan.with_(hidden_distillation=1.0)
    states = 7 * 13 * 4 * 2 * 44
    assert teacher_bytes(parent, SMALL, with_states, 1.0) == (
        teacher_bytes(parent, SMALL, plan, 1.0) + states
    )
    alone = training_memory(SMALL, plan, 1.0).training_total_bytes
    monkeypatch.setattr(memory, "available_bytes", lambda: alone)
    check_memory(SMALL, plan.with_(distillation=0.0), 1.0, parent)
    with pytest.raises(
        TrainingError, match=r"the parent that it learns from .* heal it on text alone"
    ):
        check_memory(SMALL, plan, 1.0, parent)
    both = alone + teacher_bytes(parent, SMALL, plan, 1.0)
    monkeypatch.setattr(memory, "available_bytes", lambda: both)
    check_memory(SMALL, plan, 1.0, parent)
    with pytest.raises(TrainingError):  # each process has a teacher of its own
        check_memory(SMALL, plan.with_(devices=2, batch_size=14), 1.0, parent)


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("0::/jobs/one\n", ("memory.max", "memory.current", "inactive_file")),
        (
            "3:cpu:/\n9:memory:/jobs/one\n0::/\n",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
)
def test_a_groups_limit_counts_without_what_the_group_can_give_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, files: tuple[str, str, str]
) -> None:
    """A container's or a batch job's limit, on the group itself or on one around it."""
    top = tmp_path / ("memory" if "limit" in files[0] else ".")
    group = top / "jobs" / "one"
    group.mkdir(parents=True)
    limit, used, reclaimable = files
    (group.parent / limit).write_text("1000000\n")
    (group.parent / used).write_text("900000\n")
    (group.parent / "memory.stat").write_text(f"anon 7\n{reclaimable} 50000\n")
    (group / limit).write_text("max\n")
    (group / used).write_text("600000\n")
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN_GROUP", tmp_path / "own")
    assert available_bytes() == 150_000


def test_without_groups_the_machines_memory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "OWN_GROUP", tmp_path / "none")
    assert available_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_a_parent_that_is_too_large_to_be_read_is_refused(free: int) -> None:
    with pytest.raises(
        TrainingError, match=r"the parent's weights take .* GB and this machine has"
    ):
        check_room_for(GIANT.architecture)
    check_room_for(SMALL.architecture)
