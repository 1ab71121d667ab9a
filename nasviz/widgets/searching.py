"""`Searching`: a search that runs beside the kernel's thread, told in the state trial by trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasviz.errors import RunError
from nasviz.widgets.state import ExplorerState
from nasviz.widgets.study_link import StudyLink

if TYPE_CHECKING:
    from nasviz.strategies.search_run import SearchRun

LOOK_S = 0.2


class Searching:
    """Runs one search at a time over what the state's sliders leave."""

    def __init__(self, state: ExplorerState, link: StudyLink) -> None:
        self.state = state
        self._link = link
        self._run: SearchRun | None = None

    def run(self, settings: Mapping[str, Any]) -> None:
        """Search under the state's plan with the settings' tokens; returns when it has ended.

        Raises `InputError` for settings that fit no search and `RunError` where it broke off.
        """
        from nasviz.strategies.search import prepare_search, result_of

        state = self.state
        try:
            run = prepare_search(
                state.narrowed_space(),
                study=self._link.study(),
                strategy=settings["strategy"],
                objectives=("bits_per_byte", settings["against"]),
                trials=settings["trials"],
                plan=state.plan.with_(tokens=settings["tokens"]),
                corpus=state.corpus,
                workload=state.workload,
                hardware=state.hardware,
                seed=settings["seed"],
            )
            self._run = run.start()
            told = -1
            while not run.wait(LOOK_S):
                if len(run.finished) != told:
                    told = len(run.finished)
                    state.search = result_of(run)
                    self._watch_running()
            if run.error is not None:
                raise RunError(f"the search ended: {run.error}")
            state.search = result_of(run)
        finally:
            state.searching = False

    def stop(self) -> None:
        """Ask for no more candidates; the trial in training is paused in its checkpoint."""
        if self._run is not None:
            self._run.stop()

    def _watch_running(self) -> None:
        running = [trial for trial in self.state.study.trials if trial.state == "running"]
        if running:
            self.state.watched = running[-1].number
