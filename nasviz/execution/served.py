"""`Served`: orders for a process of its own that loads torch, so that the kernel needs none.

The process starts with the first order and stays warm: the next one begins at once. It ends with
the kernel, or after a while without an order. `nasviz.execution.serving` is its other end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any, Generic, Protocol, TypeVar

_ENDED = "has ended"


class Reported(Protocol):
    """What a process tells of an order: which one, and whether no more comes."""

    @property
    def number(self) -> int:
        """The order's number."""

    @property
    def ended(self) -> bool:
        """Whether this is the last report."""


O = TypeVar("O")  # noqa: E741 (an order)
R = TypeVar("R", bound=Reported)


class Served(Generic[O, R]):
    """Takes one order at a time; whoever gave it hears its reports, on a thread of this object's.

    `module` is what the process runs, `what` says in words what it is ("the process that writes");
    orders are written by `said`, reports read by `heard`, and `failed` makes the report of an order
    by number that came to nothing, and why.
    """

    def __init__(
        self,
        module: str,
        what: str,
        said: Callable[[O], Mapping[str, Any]],
        heard: Callable[[Mapping[str, Any]], R],
        failed: Callable[[int, str], R],
    ) -> None:
        self._module, self._what = module, what
        self._said, self._heard, self._failed = said, heard, failed
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._hear: Callable[[R], None] | None = None
        self._number = 0
        self._closed = False

    def order(self, order: O, hear: Callable[[R], None]) -> int:
        """Have an order carried out and return its number; one that runs is stopped first.

        `hear` gets reports meanwhile, and one that `ended` at last: wrong settings and a process
        that dies are told there. After `close` no order is taken and nothing is said.
        """
        with self._lock:
            if self._closed:
                return self._number
            self.stop()
            self._number += 1
            self._hear = hear
            said = {"number": self._number, **self._said(order)}
            if self._process is None or not self._say(said):
                self._start()
                self._say(said)
            return self._number

    def stop(self) -> None:
        """Ask for no more of the order that runs; its last report says `stopped`."""
        with self._lock:
            if self._hear is not None:
                self._say({"stop": self._number})

    def close(self) -> None:
        """End the process; nobody hears of it any more."""
        with self._lock:
            self._closed, self._hear = True, None
            process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _start(self) -> None:
        errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        )
        self._process = process
        threading.Thread(
            target=self._listen, args=(process, errors), name="nasviz-served", daemon=True
        ).start()

    def _say(self, said: Mapping[str, Any]) -> bool:
        """Return whether the process could be told."""
        process = self._process
        if process is None or process.stdin is None or process.poll() is not None:
            return False
        try:
            process.stdin.write(json.dumps(said) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _listen(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # it died in the middle of a report
            self._tell(process, self._heard(json.loads(line)))
        process.wait()
        with errors:
            errors.seek(0)
            lines = errors.read().strip().splitlines()
        with self._lock:
            number = self._number
        why = f"{self._what} {_ENDED} (code {process.returncode})"
        self._tell(process, self._failed(number, ": ".join([why, *lines[-1:]])))

    def _tell(self, process: subprocess.Popen[str], report: R) -> None:
        with self._lock:
            if process is not self._process or report.number != self._number:
                return  # of a process or an order before
            hear = self._hear
            if report.ended:
                self._hear = None
        if hear is not None:
            hear(report)
