"""`Follower`: a thread that looks at the study and tells the explorer's state what changed."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import NasvizError
from nasviz.widgets.state import ExplorerState, StudySnapshot, WorkerState

if TYPE_CHECKING:
    from nasviz.study.study import Study
    from nasviz.study.workers import Worker

BUSY_S = 0.3  # between two looks while a trial runs or waits
QUIET_S = 1.0  # and while nothing moves: other processes may add trials


class Follower:
    """Keeps `state.study` and `state.curve` current, with one cheap query a look.

    It reads trials only when the study's revision says that one of them changed, and rows of the
    watched curve that it has not read yet. A study that can't be read for a while is said so in
    the snapshot, and read again later.
    """

    def __init__(self, state: ExplorerState, study: Study) -> None:
        self.state = state
        self.study = study
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._revision: tuple[int, float] | None = None
        self._curve_of = (-1, -1, "")
        self._thread = threading.Thread(target=self._follow, name="nasviz-follower", daemon=True)

    def start(self) -> None:
        """Look at once, then again and again until `close`."""
        self._thread.start()

    def look_now(self) -> None:
        """Look without waiting: something was just asked of the study."""
        self._wake.set()

    def close(self) -> None:
        """Stop looking; returns at once."""
        self._closed.set()
        self._wake.set()

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                self.look()
            except NasvizError as problem:
                self._tell(str(problem))
            except OSError as problem:  # the folder is gone, the disk is full
                self._tell(f"the study can't be read now: {problem}")
            moving = self.state.study.count("running", "waiting") > 0
            self._wake.wait(BUSY_S if moving else QUIET_S)
            self._wake.clear()

    def look(self) -> None:
        """Read what changed since the last look into the state."""
        revision = self.study.revision()
        worker = worker_state(self.study.workers())
        before = self.state.study
        # A dead worker's trial still says "running" until a read of the trials notices the death.
        orphaned = worker in ("none", "lost") and before.count("running") > 0
        if revision != self._revision or worker != before.worker or before.problem or orphaned:
            trials = tuple(self.study.trials())
            self._revision = revision
            snapshot = StudySnapshot(self.study.name, self.study.url, trials, worker)
            with self.state.lock:
                if self._closed.is_set():
                    return
                self.state.study = snapshot
                if self.state.watched is None:
                    latest = snapshot.latest()  # found again after a restart
                    self.state.watched = latest.number if latest is not None else None
        self._look_at_curve()

    def _look_at_curve(self) -> None:
        number = self.state.watched
        trial = self.state.study.trial(number)
        if trial is None or number is None:
            return
        # A new attempt goes on from a checkpoint and reports some steps again: read it all anew.
        wanted = (number, trial.attempts, trial.state)
        if wanted == self._curve_of and trial.finished:
            return
        shown = self.state.curve
        if wanted[:2] != self._curve_of[:2] or shown is None or not len(shown[1]["step"]):
            self._show_curve(number, self.study.curve(number))
        else:
            fresh = self.study.curve(number, after_step=int(shown[1]["step"][-1]))
            if len(fresh["step"]):
                joined = {name: np.append(shown[1][name], fresh[name]) for name in fresh}
                self._show_curve(number, joined)
        self._curve_of = wanted

    def _show_curve(self, number: int, rows: dict[str, NDArray[np.float64]]) -> None:
        with self.state.lock:
            if not self._closed.is_set():  # else another study is on show by now
                self.state.curve = (number, rows)

    def _tell(self, problem: str) -> None:
        with self.state.lock:
            if not self._closed.is_set():
                self.state.study = replace(self.state.study, problem=problem)


def worker_state(workers: list[Worker]) -> WorkerState:
    """Return the header's word for a study's workers, oldest first as the study lists them."""
    alive = [worker for worker in workers if worker.alive]
    if not alive:
        return "lost" if workers and workers[-1].state == "dead" else "none"
    states = {worker.state for worker in alive}
    if "busy" in states:
        return "busy"
    return "ready" if "idle" in states else "starting"
