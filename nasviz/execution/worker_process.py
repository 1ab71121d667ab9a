"""The worker: `python -m nasviz.execution.worker_process`, started by `ensure_worker`.

Loads torch and DeepSpeed once, then takes one waiting trial after the other. A trial that fails is
a result with its reason; the worker goes on. It leaves after a while without trials, on SIGTERM,
and when its study is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

from nasviz.errors import NasvizError
from nasviz.execution.lock import file_lock
from nasviz.execution.worker import IDLE_S, IDLE_VARIABLE, NAME_VARIABLE, URL_VARIABLE, lock_path
from nasviz.study import queue, workers
from nasviz.study.study import Study
from nasviz.study.trial import Trial

NICE = 10
POLL_S = 0.04  # an idle worker then costs about 3% of a core (measured), at nice 10
ADOPTION_S = 5.0
AGAIN_S = 5.0

log = logging.getLogger("nasviz.worker")


class WorkerProcess:
    """The worker of one study: the only thing that its process does."""

    def __init__(self, study: Study, idle_s: float) -> None:
        self.study = study
        self.idle_s = idle_s
        self.number = _own_number(study)
        self.state = "starting"
        self.leaving = threading.Event()

    def serve(self) -> None:
        """Take trials until there is nothing to do for `idle_s`, or the worker is told to leave."""
        beats = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        beats.start()
        # Everything heavy is loaded here, once, so that a trial's first step comes at once.
        from nasviz.execution.runner import close, run_trial, tidy_cancelled, warm_up

        warm_up()
        queue.mend_mirror(self.study)
        tidy_cancelled(self.study)
        self.state = "idle"
        log.info("ready: worker %d of %s", self.number, self.study)
        idle_since = time.monotonic()
        while not self.leaving.is_set():
            trial = self._claim()
            if trial is not None:
                self.state = "busy"
                run_trial(self.study, trial, self.leaving.is_set)
                self.state = "idle"
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > self.idle_s and self._leave_if_idle():
                break
            else:
                self._wait_for_trial(idle_since)
        close()
        self.leaving.set()
        self.study.database.write(lambda connection: workers.end(connection, self.number))
        log.info("left")

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Leave at the next step of training; the trial waits in its checkpoint."""
        self.leaving.set()

    def _claim(self) -> Trial | None:
        try:
            return queue.claim(self.study, self.number)
        except NasvizError as error:
            # Trials wait while the study can't be written (a full disk); so does their worker.
            log.warning("no trial could be claimed, trying again in %g s: %s", AGAIN_S, error)
            self.leaving.wait(AGAIN_S)
            return None

    def _wait_for_trial(self, idle_since: float) -> None:
        while not self.leaving.is_set() and time.monotonic() - idle_since <= self.idle_s:
            if queue.waiting(self.study):
                return
            time.sleep(POLL_S)

    def _leave_if_idle(self) -> bool:
        """Sign off unless a trial came, under the lock that `ensure_worker` looks under."""
        with file_lock(lock_path(self.study)):
            if queue.waiting(self.study):
                return False
            self.study.database.write(lambda connection: workers.end(connection, self.number))
            return True

    def _beat(self) -> None:
        while not self.leaving.wait(workers.HEARTBEAT_S):
            path = self.study.database.location.path
            if path is not None and not path.exists():
                log.info("the study's file is gone")
                self.leaving.set()
                return
            self._write_heartbeat()

    def _write_heartbeat(self) -> None:
        try:
            self.study.database.write(
                lambda connection: workers.beat(connection, self.number, self.state)
            )
        except NasvizError:
            # A worker that can't reach its study for a while must not die of it.
            log.warning("no heartbeat could be written", exc_info=True)


def _own_number(study: Study) -> int:
    """Return the number under which `ensure_worker` registered this process.

    If whoever started it died in between, it registers itself.
    """
    pid = os.getpid()
    deadline = time.monotonic() + ADOPTION_S
    while time.monotonic() < deadline:
        for worker in study.workers():
            if worker.alive and worker.pid == pid and worker.host == workers.this_host():
                return worker.number
        time.sleep(0.02)
    path = study.home / "worker.log"
    return study.database.write(
        lambda connection: workers.register(connection, study.id, pid, path)
    )


def main() -> int:
    """Serve the study that the environment names."""
    os.nice(max(0, NICE - os.nice(0)))
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    study = Study.open(os.environ[URL_VARIABLE], os.environ.get(NAME_VARIABLE, "nasviz"))
    worker = WorkerProcess(study, float(os.environ.get(IDLE_VARIABLE, IDLE_S)))
    signal.signal(signal.SIGTERM, worker.stop)
    worker.serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
