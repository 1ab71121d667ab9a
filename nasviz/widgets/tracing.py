"""`Tracing`: has the exits at hand of the trained trial that an explorer's selection is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nasviz.widgets.background import WaitingJobs
from nasviz.widgets.exit_reading import read_exits, trial_with_exits
from nasviz.widgets.state import ExplorerState

if TYPE_CHECKING:
    from nasviz.study.study import Study


class Tracing:
    """Keeps `state.exits` those of the selection, read beside the kernel's thread.

    `study` returns the study on show, waiting while it is being opened.
    """

    def __init__(self, state: ExplorerState, study: Callable[[], Study]) -> None:
        self.state = state
        self._study = study
        self._jobs = WaitingJobs("nasviz-exits", self._failed)
        self._shown: tuple[tuple[str, str], int] | None = None

    def start(self) -> None:
        """Follow the study and the selection."""
        self.state.observe(self._submit, names=["study", "selection"])

    def close(self) -> None:
        """Read no more."""
        self._jobs.close()

    def _submit(self, _change: Any) -> None:
        self._jobs.submit(self._read)

    def _read(self) -> None:
        state = self.state
        place, trial = state.study.place, trial_with_exits(state.study.trials, state.selection)
        wanted = None if trial is None else (place, trial.number)
        if wanted == self._shown:
            return
        self._shown, state.exits_problem = wanted, ""
        state.exits = None if trial is None else read_exits(self._study(), trial)

    def _failed(self, problem: Exception) -> None:
        self.state.exits_problem, self.state.exits = str(problem), None
