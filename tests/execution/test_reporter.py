"""What passes between a run and its study, also where the study can't be written for a while."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nasviz import Candidate, Study
from nasviz.errors import InputError
from nasviz.execution import runner
from nasviz.execution.reporter import Control, Reporter
from nasviz.study import queue
from nasviz.training.progress import Progress


def _progress(step: int) -> Progress:
    return Progress(step, 7, 13 * step, 2.5, None, 1e3, 1.0, 1 << 20, 0.1 * step)


def test_rows_are_written_in_batches_and_the_first_at_once(
    study: Study, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = study.add(candidate).number
    batches: list[int] = []
    report = study.report

    def counted(number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        batches.append(len(rows))
        report(number, rows)

    monkeypatch.setattr(study, "report", counted)
    reporter = Reporter(study, number)
    for step in range(1, 6):
        reporter(_progress(step))
    assert study.curve(number)["step"].tolist() == [1]
    reporter.flush()
    assert study.curve(number)["step"].tolist() == [1, 2, 3, 4, 5]
    assert batches == [1, 4]


def test_rows_that_meet_a_full_disk_are_written_later(
    study: Study, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = study.add(candidate).number
    report = study.report

    def full(number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        raise InputError("the disk is full")

    reporter = Reporter(study, number)
    monkeypatch.setattr(study, "report", full)
    reporter(_progress(1))
    reporter(_progress(2))
    monkeypatch.setattr(study, "report", report)
    reporter.flush()
    assert study.curve(number)["step"].tolist() == [1, 2]


def test_a_result_waits_for_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STORE_AGAIN_S", 0.0)
    failures = [InputError("the disk is full"), InputError("still full")]
    stored: list[str] = []

    def store() -> None:
        if failures:
            raise failures.pop()
        stored.append("result")

    runner._stored(store, lambda: False)
    assert stored == ["result"]


def test_control_passes_on_requests_and_a_worker_that_leaves_pauses(
    study: Study, candidate: Candidate
) -> None:
    number = study.add(candidate).number
    queue.claim(study, worker=1)
    leaving = [False]
    control = Control(study, number, lambda: leaving[0])
    assert control() == "go"
    study.request(number, "cancel")
    control._looked = 0.0
    assert control() == "cancel"
    leaving[0] = True
    assert control() == "pause"


def test_a_stale_look_does_not_take_a_trial_from_its_new_worker(
    study: Study, candidate: Candidate
) -> None:
    number = study.add(candidate).number
    stale = queue.claim(study, worker=1)
    assert stale is not None
    queue.wait_again(study, number, ("running",))
    queue.claim(study, worker=2)
    queue.fail(study, number, "its worker died", held_by=1)
    assert (study.trial(number).state, study.trial(number).worker) == ("running", 2)


def test_asking_for_work_loads_no_torch() -> None:
    code = (
        "import sys, nasviz.execution.train, nasviz.strategies.search\n"
        "print([name for name in ('torch', 'deepspeed', 'bokeh') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
