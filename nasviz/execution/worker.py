"""`ensure_worker`: one detached, warm process a study that takes its waiting trials.

The worker survives the kernel and the browser that asked for it. It runs at nice 10, so that
sliders keep the cores, writes what it prints to a log beside the study, and leaves after
`IDLE_S` without a trial.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from nasviz.errors import RunError
from nasviz.execution.lock import file_lock
from nasviz.study import queue, workers
from nasviz.study.study import Study
from nasviz.study.workers import Worker

IDLE_S = 15 * 60.0
IDLE_VARIABLE = "NASVIZ_WORKER_IDLE_S"
URL_VARIABLE = "NASVIZ_STUDY_URL"  # not an argument: other users can read a command line
NAME_VARIABLE = "NASVIZ_STUDY_NAME"

# Workers that this process started; holding them lets `poll` reap those that have ended.
_started: list[subprocess.Popen[bytes]] = []


def ensure_worker(study: Study) -> Worker:
    """Return the worker that serves `study` on this machine, started if there is none.

    Exactly one is started even if two kernels ask at once. It is ready to take trials when its
    libraries are loaded, some seconds later; trials added before wait for it.
    """
    with file_lock(lock_path(study)):
        _reap()
        queue.notice_dead_workers(study)
        worker = living_worker(study)
        return _start(study) if worker is None else worker


def living_worker(study: Study) -> Worker | None:
    """Return this machine's worker of `study`, None where there is none."""
    found = study.database.read(
        lambda connection: workers.read_workers(connection, study.id, ended=False)
    )
    here = [each for each in found if each.alive and each.host == workers.this_host()]
    return here[0] if here else None


def stop_worker(study: Study, *, wait_s: float = 20.0) -> None:
    """Ask this machine's worker to leave; its trial waits, checkpointed, for the next one.

    Raises `RunError` if it is still there after `wait_s`.
    """
    worker = living_worker(study)
    if worker is None:
        return
    try:
        os.kill(worker.pid, 15)
    except ProcessLookupError:  # it left by itself in the meantime
        return
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        _reap()
        if workers.process_start(worker.pid) is None:
            return
        time.sleep(0.05)
    raise RunError(f"worker {worker.pid} did not leave within {wait_s:g} s; see {worker.log}")


def lock_path(study: Study) -> Path:
    """Return the file that a starting or leaving worker locks."""
    return study.home / "worker.lock"


def _start(study: Study) -> Worker:
    log = study.home / "worker.log"
    environment = {**os.environ, URL_VARIABLE: study.url, NAME_VARIABLE: study.name}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "nasviz.execution.worker_process"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=study.home,
            env=environment,
            start_new_session=True,
        )
    _started.append(process)
    number = study.database.write(
        lambda connection: workers.register(connection, study.id, process.pid, log)
    )
    return next(each for each in study.workers() if each.number == number)


def _reap() -> None:
    _started[:] = [process for process in _started if process.poll() is None]
