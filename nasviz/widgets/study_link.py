"""`StudyLink`: the study that an explorer shows, and how another takes its place."""

from __future__ import annotations

import os
import threading

from nasviz.errors import InputError, NasvizError, RunError
from nasviz.study.found import name_at
from nasviz.study.study import Study
from nasviz.widgets.follower import Follower, worker_state
from nasviz.widgets.state import ExplorerState, StudySnapshot

OPEN_S = 30.0


class StudyLink:
    """Opens a study, follows it into the state, and takes another in its place.

    Its methods may wait for a disk or a server: call them from a thread of your own.
    """

    def __init__(self, state: ExplorerState, given: Study | str | os.PathLike[str] | None) -> None:
        self.state = state
        self._given = given
        self._study: Study | None = None
        self._follower: Follower | None = None
        self._settled = threading.Event()
        self._closed = False

    def open(self) -> None:
        """Open the study that was given, and follow it."""
        given = self._given
        try:
            self._follow(given if isinstance(given, Study) else Study.open(given))
        finally:
            self._settled.set()

    def switch(self, url: str | os.PathLike[str], name: str | None = None) -> None:
        """Show the study `name` at `url` from now on; made where there is none yet.

        Raises `InputError` or `RunError` where it can't be opened, and then the study before
        stays: it is only let go of when the new one was read.
        """
        if self.state.searching:
            raise InputError("a search is running in this study: stop it first, then switch")
        study = Study.open(url, name_at(url) if name in (None, "") else name)
        before = self._study
        if before is not None and (study.url, study.name) == (before.url, before.name):
            study.close()
            return
        try:
            shown = StudySnapshot(
                study.name, study.url, tuple(study.trials()), worker_state(study.workers())
            )
        except NasvizError:
            study.close()
            raise
        self._follow(study, shown)
        self._settled.set()
        if before is not None and before is not self._given:
            before.close()

    def study(self) -> Study:
        """Return the study, waiting while it is being opened."""
        if not self._settled.wait(OPEN_S) or self._study is None:
            raise RunError(f"the study is not open: {self.state.problem or 'it takes too long'}")
        return self._study

    def look(self) -> None:
        """Look at the study now: something was just asked of it."""
        if self._follower is not None:
            self._follower.look_now()

    def close(self) -> None:
        """Follow the study no more; it stays as it is."""
        with self.state.lock:
            self._closed = True
            if self._follower is not None:
                self._follower.close()

    def _follow(self, study: Study, shown: StudySnapshot | None = None) -> None:
        state = self.state
        with state.lock:
            if self._closed:
                return
            if self._follower is not None:
                self._follower.close()
            if shown is not None:
                _exchange(state, shown)
            self._study = study
            self._follower = Follower(state, study)
            self._follower.start()


def _exchange(state: ExplorerState, shown: StudySnapshot) -> None:
    """Put a study in the state in place of the one before: trials, curve, search, selection."""
    state.problem = ""
    state.watched, state.curve, state.search = None, None, None
    state.study = shown
    latest = shown.latest()
    if latest is not None:
        state.watched = latest.number
        state.select(latest.candidate)
