"""A run of several processes: started here, reported by the first, stopped together."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nasviz.training.failures import PROCESS_DIED, TrainingError
from nasviz.training.job import Job, write_job
from nasviz.training.loop import Outcome
from nasviz.training.progress import Command, Control, Progress, Report

# How often the caller is asked for its command while no progress comes in.
LOOK_EVERY_S = 0.1
# How long processes get to end by themselves once one of them has.
GRACE_S = 20.0


def run_processes(job: Job, report: Report, control: Control) -> Outcome:
    """Run `job` in as many processes as its plan has devices; return how it ended.

    Each is `python -m nasviz.training.process FOLDER` with torch's usual RANK, LOCAL_RANK,
    WORLD_SIZE, MASTER_ADDR and MASTER_PORT, so that DeepSpeed's own launcher starts the same
    program on several hosts. The first writes one line of JSON for each report.

    Raises `RunError` with the reason that a process gave, or "process died".
    """
    folder = Path(tempfile.mkdtemp(prefix="nasviz-run-"))
    try:
        write_job(job, folder)
        with _processes(job.plan.devices, folder) as processes:
            outcome = _follow(processes[0], report, control)
            failure = outcome if isinstance(outcome, TrainingError) else None
            for rank, process in enumerate(processes):
                code = process.wait(timeout=GRACE_S)
                if code != 0 and failure is None:
                    failure = _died(rank, code, folder)
        if failure is not None:
            raise failure
        if not isinstance(outcome, Outcome):
            raise _died(0, 0, folder)
        return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _processes(count: int, folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Start `count` processes; none of them outlives the block."""
    shared = {
        **os.environ,
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    processes: list[subprocess.Popen[str]] = []
    try:
        for rank in range(count):
            with _log(folder, rank).open("w") as log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "nasviz.training.process", str(folder)],
                        env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                        stdin=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                        stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                        stderr=log,
                        text=True,
                    )
                )
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


def _follow(
    first: subprocess.Popen[str], report: Report, control: Control
) -> Outcome | TrainingError | None:
    """Pass reports up and commands down until the first process ends; return its last word."""
    assert first.stdin is not None
    assert first.stdout is not None
    said: Command = "go"
    last: Outcome | TrainingError | None = None
    for line in _lines(first.stdout):
        if line is not None:
            message = json.loads(line)
            if "progress" in message:
                report(Progress(**message["progress"]))
            else:
                last = _last_word(message)
        command = control()
        if command != said and first.poll() is None and last is None:
            said = command
            print(command, file=first.stdin, flush=True)
    return last


def _lines(stream: IO[str]) -> Iterator[str | None]:
    """Yield each line of `stream`, and None where none has come for a while."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        pending = b""
        while True:
            if not selector.select(LOOK_EVERY_S):
                yield None
                continue
            chunk = os.read(stream.fileno(), 1 << 16)
            if not chunk:
                return
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                yield line.decode()


def _last_word(message: dict[str, Any]) -> Outcome | TrainingError:
    if "outcome" in message:
        return Outcome(**message["outcome"])
    return TrainingError(message["failure"], message["reason"])


def _died(rank: int, code: int, folder: Path) -> TrainingError:
    log = _log(folder, rank).read_text(errors="replace").strip().splitlines()
    said = log[-1] if log else "it said nothing"
    return TrainingError(f"training process {rank} ended with code {code}: {said}", PROCESS_DIED)


def _log(folder: Path, rank: int) -> Path:
    return folder / f"process-{rank}.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
