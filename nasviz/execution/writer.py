"""`Writer`: has trained models write text in a process of its own: the kernel needs no torch.

The process starts with the first order and stays warm: the next text begins at once. It ends with
the kernel, or after a while without an order.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any

from nasviz.execution.written import Order, Report, order_to_json

MODULE = "nasviz.execution.writer_process"
_ENDED = "the process that writes has ended"


class Writer:
    """Takes one order at a time; whoever gave it hears its reports, on a thread of the writer's."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._hear: Callable[[Report], None] | None = None
        self._number = 0
        self._closed = False

    def order(self, order: Order, hear: Callable[[Report], None]) -> int:
        """Have an order carried out and return its number; one that runs is stopped first.

        `hear` gets reports while it is written, and one that `ended` at last: wrong settings and a
        process that dies are told there. A closed writer takes no order and says nothing.
        """
        with self._lock:
            if self._closed:
                return self._number
            self.stop()
            self._number += 1
            self._hear = hear
            said = {"number": self._number, **order_to_json(order)}
            if self._process is None or not self._say(said):
                self._start()
                self._say(said)
            return self._number

    def stop(self) -> None:
        """Ask for no more tokens of the order that runs; its last report says `stopped`."""
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
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        )
        self._process = process
        threading.Thread(
            target=self._listen, args=(process, errors), name="nasviz-writer", daemon=True
        ).start()

    def _say(self, said: dict[str, Any]) -> bool:
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
            self._tell(process, Report.from_json(json.loads(line)))
        process.wait()
        with errors:
            errors.seek(0)
            lines = errors.read().strip().splitlines()
        with self._lock:
            number = self._number
        why = f"{_ENDED} (code {process.returncode})"
        self._tell(process, Report(number, failed=": ".join([why, *lines[-1:]])))

    def _tell(self, process: subprocess.Popen[str], report: Report) -> None:
        with self._lock:
            if process is not self._process or report.number != self._number:
                return  # of a process or an order before
            hear = self._hear
            if report.ended:
                self._hear = None
        if hear is not None:
            hear(report)
