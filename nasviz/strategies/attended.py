"""A trial that somebody waits for: a worker is kept at it, and it pauses when they stop."""

from __future__ import annotations

import threading
import time

from nasviz.execution.worker import ensure_worker
from nasviz.study import queue
from nasviz.study.study import Study
from nasviz.study.trial import Trial

POLL_S = 0.1
LOOK_S = 2.0


class Stopped(Exception):  # noqa: N818 (it is a request that was met, no error)
    """The comparison was asked to stop; its trial in training is paused."""


def attended(study: Study, number: int, stop: threading.Event) -> Trial:
    """Return the trial once it has finished; what had been paused goes on.

    `stop` ends the waiting: the trial is paused then, and `Stopped` raised.
    """
    trial = study.trial(number)
    if trial.state == "paused" or trial.request == "pause":
        study.request(number, "resume")
    looked = -LOOK_S
    while not (trial := study.trial(number)).finished:
        if stop.is_set():
            pause(study, number)
            raise Stopped
        if time.monotonic() - looked >= LOOK_S:
            looked = time.monotonic()
            ensure_worker(study)
        stop.wait(POLL_S)
    return trial


def pause(study: Study, number: int) -> None:
    """Pause what is in training or waits; what has just ended stays ended."""
    if not queue.pause(study, number, ("waiting",)):
        queue.ask(study, number, "pause")
