"""What the Compression tab stores: pruned trials with their parts, twins, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from exit_readings import state_of
from waiting import eventually

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.space.kept import Kept
from nasviz.space.lineage import Lineage
from nasviz.study import queue
from nasviz.study.road_curves import BothRoads
from nasviz.study.trial import Trial
from nasviz.widgets.compressing import Compressing
from nasviz.widgets.parent_reading import ParentReading

SIZES = Architecture(4, 64, 4, 256, 64)
RESULT = {"bits_per_byte": 2.0, "search_bits_per_byte": 2.0, "tokens": 100, "seconds": 1.0,
          "training_flops": 8e9}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """A study with a complete trial, number 0, whose worker never comes."""
    monkeypatch.setattr("nasviz.execution.worker.ensure_worker", lambda _study: None)
    corpus = tmp_path / "text.txt"
    corpus.write_text("some words to read " * 2_000)
    opened = Study.open(tmp_path / "study.db")
    done(opened, opened.add(Candidate(SIZES), TrainingPlan(seed=5), str(corpus)))
    folder = opened.directory(0)
    folder.mkdir(parents=True)
    (folder / "architecture.json").write_text(json.dumps(SIZES.to_json()))
    (folder / "weights.safetensors").touch()  # no weight of it is read here
    yield opened
    opened.close()


def done(study: Study, trial: Trial, **more: object) -> Trial:
    assert queue.claim(study, worker=1) is not None
    queue.complete(study, trial.number, {**RESULT, **more})
    return study.trial(trial.number)


@pytest.fixture
def compressing(study: Study) -> Iterator[Compressing]:
    made = Compressing(state_of(), lambda: study, lambda: None)
    yield made
    made.close()


def test_heal_stores_a_pruned_trial_with_exactly_its_parts(
    study: Study, compressing: Compressing
) -> None:
    kept = Kept.of(SIZES, layers=(0, 3), heads=[(0, 1), (1, 2, 3)])
    refused: list[str] = []
    compressing.heal(study.trial(0), kept, "lora", 5_000, refused.append)
    eventually(lambda: len(study) == 2 or refused, "the trial")
    assert refused == []
    trial = study.trial(1)
    assert (trial.state, trial.origin) == ("waiting", "prune")
    assert trial.candidate == Candidate(kept.architecture(SIZES))
    assert trial.lineage == Lineage(parent_trial=0, heal="lora", kept=kept)
    plan = TrainingPlan.from_json(dict(trial.plan))
    assert (plan.budget, plan.lora_rank) == (("tokens", 5_000), 8)
    assert trial.corpus == study.trial(0).corpus


def test_a_twin_is_stored_and_what_can_have_none_says_why(
    study: Study, compressing: Compressing
) -> None:
    child = study.add(Candidate(SIZES.with_(n_layers=2)), lineage=Lineage(parent_trial=0))
    refused: list[str] = []
    compressing.twin(child, "whole", refused.append)
    eventually(lambda: refused, "the refusal")
    assert "trial 1 is waiting" in refused[0]
    child = done(study, child, pruned={"curve_bits_per_byte": 3.0})
    compressing.twin(child, "share", refused.append)
    eventually(lambda: len(study) == 3, "the twin")
    assert study.trial(2).twin_of == 1
    assert TrainingPlan.from_json(dict(study.trial(2).plan)).seed == 5
    found: list[BothRoads] = []
    compressing.roads(child, None, found.append, refused.append)
    eventually(lambda: found, "the roads")
    assert found[0].pruned.bits_per_byte.tolist() == [3.0]


def test_a_parent_is_read_with_what_can_be_read_of_it(
    study: Study, compressing: Compressing
) -> None:
    damaged = study.directory(0) / "importance_taylor.npz"
    damaged.write_bytes(b"no archive")
    found: list[ParentReading] = []
    refused: list[str] = []
    compressing.read(study.trial(0), found.append, refused.append)
    eventually(lambda: found, "the parent")
    assert "importance_taylor.npz is no measurement" in found[0].problem
    assert found[0].measured == {}
    running = study.add(Candidate(SIZES))
    compressing.read(running, found.append, refused.append)
    eventually(lambda: refused, "the refusal")
    assert "its model isn't trained yet" in refused[0]
