"""The header's first menu: the study on show, those beside it, and the way to any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nasviz.cost.units import plural
from nasviz.study.found import DEFAULT_NAME, FoundStudy, studies_in
from nasviz.study.location import without_password
from nasviz.widgets.state import ExplorerState, StudySnapshot
from nasviz.widgets.study_menu import StudyMenu

SQLITE = "sqlite:///"


class StudyPanel:
    """Brings the state's study to a `StudyMenu`; `switch` gets the address and name of another."""

    def __init__(self, state: ExplorerState, switch: Callable[[str, str | None], None]) -> None:
        self.state = state
        self.menu = StudyMenu(look=self._look, choose=switch)
        state.observe(lambda _change: self._show(), names="study")
        state.observe(lambda _change: self._show_opening(), names=["opening", "study_problem"])
        self._show()

    def _look(self) -> None:
        shown = self.state.study
        self.menu.found = offers(studies_in(folder_of(shown)), shown)

    def _show(self) -> None:
        shown = self.state.study
        if not shown.name:
            return
        with self.menu.hold_sync():
            self.menu.title = study_label(shown.url, shown.name)
            kept = f"{plural(len(shown.trials), 'trial')} kept in {without_password(shown.url)}"
            self.menu.help = f"{kept}; press to open another study"
            self.menu.address = without_password(f"{shown.url}#{shown.name}")

    def _show_opening(self) -> None:
        with self.menu.hold_sync():
            self.menu.busy = self.state.opening
            self.menu.problem = self.state.study_problem


def offers(found: Sequence[FoundStudy], shown: StudySnapshot) -> list[dict[str, Any]]:
    """Return what the menu lists: each study with how many trials it holds."""
    return [
        {
            "url": study.url,
            "name": study.name,
            "label": study_label(study.url, study.name),
            "note": plural(study.n_trials, "trial"),
            "current": (study.url, study.name) == shown.place,
        }
        for study in found
    ]


def folder_of(shown: StudySnapshot) -> Path:
    """Return the folder of a study's file, or the current one for a study on a server."""
    if shown.url.startswith(SQLITE):
        return Path(shown.url.removeprefix(SQLITE)).parent
    return Path.cwd()


def study_label(url: str, name: str) -> str:
    """Return a study as people call it: its file or database, and its name where it has its own.

    >>> study_label("sqlite:////srv/poems.db", "nasviz")
    'poems.db'
    """
    place = url.rsplit("/", 1)[-1]
    return place if name == DEFAULT_NAME else f"{place}: {name}"
