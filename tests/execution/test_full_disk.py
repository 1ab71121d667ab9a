"""A disk that fills up in mid-trial: a real one of a few megabytes, and a limit on files' size."""

from __future__ import annotations

import logging
import resource
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from waiting import eventually

from nasviz import Candidate, Study, TrainingPlan
from nasviz.errors import InputError, NasvizError
from nasviz.execution import runner, worker_process
from nasviz.execution.worker import IDLE_VARIABLE, ensure_worker, living_worker, stop_worker
from nasviz.study import queue

pytestmark = pytest.mark.slow

LONG = TrainingPlan(steps=100_000, batch_size=2, precision="fp32", threads=1)
FULL = "the disk is full|can't be written"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB; where mounting is not permitted, its tests are skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def on_disk(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """A study on the small disk."""
    monkeypatch.setenv(IDLE_VARIABLE, "60")
    study = Study.open(disk / "study.db")
    yield study
    (disk / "filler").unlink(missing_ok=True)
    if living_worker(study) is not None:
        stop_worker(study, wait_s=90)
    study.close()


def fill(disk: Path) -> Path:
    """Leave not a byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with pytest.raises(OSError, match="No space left on device"):
                write_for_ever(file, size)
    return filler


def write_for_ever(file: IO[bytes], size: int) -> None:
    while True:
        file.write(bytes(size))


def add_for_ever(study: Study, candidate: Candidate, corpus: str) -> None:
    while True:
        study.add(candidate, LONG, corpus)


def is_whole(study: Study) -> bool:
    with sqlite3.connect(str(study.database.location.path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_trial_outlives_a_full_disk_and_its_curve_is_stored_when_there_is_space_again(
    on_disk: Study, disk: Path, candidate: Candidate, corpus: str
) -> None:
    worker = ensure_worker(on_disk)
    trial = on_disk.add(candidate, LONG, corpus).number
    eventually(lambda: len(on_disk.curve(trial)["step"]) > 3, "the first steps")
    filler = fill(disk)
    # Full is when the study's files can't grow any more; what lies in them is still read.
    with pytest.raises(NasvizError, match=FULL):
        add_for_ever(on_disk, candidate, corpus)
    stored = on_disk.curve(trial)["step"]
    assert on_disk.trial(trial).state == "running"

    filler.unlink()
    eventually(lambda: on_disk.curve(trial)["step"][-1] > stored[-1], "steps after the full disk")
    assert (on_disk.curve(trial)["step"][: len(stored)] == stored).all()
    assert living_worker(on_disk) is not None
    assert [each.pid for each in on_disk.workers()] == [worker.pid]
    assert on_disk.trial(trial).deaths == 0
    on_disk.request(trial, "cancel")
    eventually(lambda: on_disk.trial(trial).finished, "the cancellation")
    assert on_disk.trial(trial).state == "cancelled"
    assert is_whole(on_disk)


def test_a_model_that_does_not_fit_on_the_disk_is_a_failed_trial_once_that_can_be_stored(
    on_disk: Study,
    disk: Path,
    candidate: Candidate,
    corpus: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(runner, "STORE_AGAIN_S", 0.05)
    on_disk.add(candidate, TrainingPlan(steps=300, batch_size=2, threads=1), corpus)
    trial = queue.claim(on_disk, worker=0)
    assert trial is not None
    run = threading.Thread(target=runner.run_trial, args=(on_disk, trial, lambda: False))
    with caplog.at_level(logging.WARNING, "nasviz.worker"):
        run.start()
        eventually(lambda: len(on_disk.curve(0)["step"]), "the first step")
        filler = fill(disk)
        eventually(lambda: "trial 0 failed" in caplog.text, "the model's failure")
        filler.unlink()
        run.join(60)
    failed = on_disk.trial(0)
    assert failed.state == "failed"
    assert "No space left on device" in failed.reason
    assert is_whole(on_disk)


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Sets how large a file this process may write, as `ulimit -f` does; lifted afterwards."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_study_that_may_not_grow_says_so_and_keeps_what_it_has(
    tmp_path: Path, candidate: Candidate, small_files: Callable[[int], None]
) -> None:
    """What needs no permission to mount: the system refuses to let the files grow."""
    path = tmp_path / "study.db"
    study = Study.open(path)
    study.add(candidate)
    sizes = [each.stat().st_size for each in tmp_path.iterdir() if each.name.startswith(path.name)]
    small_files(max(sizes) + 100_000)
    with pytest.raises(NasvizError, match=FULL):
        add_for_ever(study, candidate, "python")
    stored = study.trials()
    small_files(resource.RLIM_INFINITY)
    assert len(study) == len(stored) > 1
    assert study.add(candidate).state == "waiting"
    assert study.trials()[:-1] == stored
    assert is_whole(study)
    study.close()


def test_a_worker_that_can_not_claim_a_trial_waits_for_space(
    tmp_path: Path,
    candidate: Candidate,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    study = Study.open(tmp_path / "study.db")
    study.add(candidate)
    claims = iter([full_disk, queue.claim])

    def claim(*given: object) -> object:
        return next(claims)(*given)

    monkeypatch.setattr(worker_process, "AGAIN_S", 0.0)
    monkeypatch.setattr(worker_process, "_own_number", lambda study: 0)
    monkeypatch.setattr(worker_process.queue, "claim", claim)
    worker = worker_process.WorkerProcess(study, idle_s=60)
    assert worker._claim() is None
    assert "no trial could be claimed, trying again in 0 s: the disk is full" in caplog.text
    claimed = worker._claim()
    study.close()
    assert claimed is not None
    assert claimed.number == 0


def full_disk(*_: object) -> None:
    raise InputError("the disk is full")
