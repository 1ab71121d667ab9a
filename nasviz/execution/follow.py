"""Following a trial from the outside: its progress, until it is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nasviz.execution.worker import ensure_worker
from nasviz.study.study import Study
from nasviz.study.trial import Trial

POLL_S = 0.1
LOOK_S = 2.0
COUNTS = ("step", "n_steps", "tokens", "memory_bytes")

Row = Mapping[str, float | None]


def follow(
    study: Study,
    number: int,
    on_progress: Callable[[Row], Any] | None = None,
    on_look: Callable[[], Any] | None = None,
) -> Trial:
    """Return the trial once it is finished or paused, telling each new row of its curve.

    A row has the names of `Study.curve`; None where nothing was said. `on_look` is called each time
    the trial was looked at. A worker that dies on the way is replaced.
    """
    last_step = -1
    looked = time.monotonic()
    while True:
        trial = study.trial(number)
        for row in _new_rows(study, number, last_step):
            last_step = int(row["step"] or 0)
            if on_progress is not None:
                on_progress(row)
        if on_look is not None:
            on_look()
        if trial.finished or trial.state == "paused":
            return trial
        if time.monotonic() - looked > LOOK_S:
            looked = time.monotonic()
            ensure_worker(study)
        time.sleep(POLL_S)


def watch(
    study: Study,
    number: int,
    on_progress: Callable[[Row], Any] | None = None,
    on_look: Callable[[], Any] | None = None,
) -> Trial:
    """Return what `follow` does; interrupting it (Ctrl-C) cancels the trial."""
    try:
        return follow(study, number, on_progress, on_look)
    except KeyboardInterrupt:
        if not study.trial(number).finished:
            study.request(number, "cancel")
        raise


def _new_rows(study: Study, number: int, after_step: int) -> Iterator[Row]:
    curve = study.curve(number, after_step=after_step)
    for index in range(len(curve["step"])):
        values = {name: float(column[index]) for name, column in curve.items()}
        yield {name: _said(name, value) for name, value in values.items()}


def _said(name: str, value: float) -> float | None:
    if np.isnan(value):
        return None
    return int(value) if name in COUNTS else value
