"""Work beside the kernel's own thread: nothing waits twice, and what fails is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

Job = Callable[[], None]


class WaitingJobs:
    """Runs jobs one at a time, in turn, on a thread of its own; a job that waits is not put twice.

    A job reads what it works on when it runs. So a slider that is released ten times in a row
    costs two runs, not ten, and no job takes another's place. `failed` gets the exception of a job
    that raised; the thread goes on. The thread ends with `close` and, being a daemon, with the
    kernel.
    """

    def __init__(self, name: str, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._condition = threading.Condition()
        self._waiting: list[Job] = []
        self._running = False
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._started = False

    def submit(self, job: Job) -> None:
        """Run `job` in its turn, unless the same one waits already."""
        with self._condition:
            if self._closed or job in self._waiting:
                return
            self._waiting.append(job)
            if not self._started:
                self._started = True
                self._thread.start()
            self._condition.notify_all()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return whether everything submitted was done before `timeout_s` were over."""
        with self._condition:
            return self._condition.wait_for(
                lambda: not self._waiting and not self._running, timeout_s
            )

    def close(self) -> None:
        """Let the running job end, and run no more."""
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify_all()

    def _serve(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._waiting.pop(0)
                self._running = True
            try:
                job()
            except Exception as error:  # told to whoever shows it; the next job may well succeed
                self._failed(error)
            finally:
                with self._condition:
                    self._running = False
                    self._condition.notify_all()
