"""What passes between a running trial and its study: progress out, requests in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from nasviz.errors import NasvizError
from nasviz.study import queue
from nasviz.study.study import Study
from nasviz.training.progress import Command, Progress

log = logging.getLogger("nasviz.worker")

FLUSH_S = 0.25
LOOK_S = 0.05


class Reporter:
    """Writes a trial's progress to its study in batches: a transaction each `FLUSH_S` at most."""

    def __init__(self, study: Study, number: int) -> None:
        self._study = study
        self._number = number
        self._rows: list[dict[str, Any]] = []
        self._flushed = 0.0

    def __call__(self, progress: Progress) -> None:
        """Take a row; the first one of a run is written at once."""
        self._rows.append(progress.to_json())
        if time.monotonic() - self._flushed >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what has been taken; what can't be written now (a full disk) is kept for later.

        A run is worth more than its curve, so a row that can't be stored does not end it.
        """
        self._flushed = time.monotonic()
        try:
            self._study.report(self._number, self._rows)
        except NasvizError as error:
            log.warning("trial %d: progress is not stored: %s", self._number, error)
        else:
            self._rows = []


class Control:
    """Tells a running trial what the study wants of it, asking at most every `LOOK_S`.

    `stopping` says that the worker itself has to leave: its trial is paused then, and waits.
    """

    def __init__(self, study: Study, number: int, stopping: Callable[[], bool]) -> None:
        self._study = study
        self._number = number
        self._stopping = stopping
        self._looked = 0.0
        self.command: Command = "go"

    def __call__(self) -> Command:
        """Return "go", "pause" or "cancel"."""
        if self._stopping():
            self.command = "pause"
        elif time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            request = queue.pending_request(self._study, self._number)
            self.command = (
                "pause" if request == "pause" else "cancel" if request == "cancel" else "go"
            )
        return self.command
