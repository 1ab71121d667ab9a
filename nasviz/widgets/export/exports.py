"""`Exports`: the files that an explorer can give away, each made from the state as it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nasviz.cost.units import plural
from nasviz.errors import InputError, unknown_name
from nasviz.widgets.candidate_map import CandidateMap
from nasviz.widgets.card_html import workload_words
from nasviz.widgets.export.candidates_csv import candidates_csv
from nasviz.widgets.export.page import map_page
from nasviz.widgets.export.trials_csv import trials_csv
from nasviz.widgets.knobs import Knobs
from nasviz.widgets.sample_columns import passing_rows
from nasviz.widgets.state import ExplorerState

SHEETS = ("candidates", "trials")


@dataclass(frozen=True)
class Export:
    """One file: its name for a browser, its kind, and what makes its bytes."""

    name: str
    mime: str
    make: Callable[[], bytes]


class Exports:
    """Makes the files of one explorer, from its state, its map and the sliders beside it."""

    def __init__(
        self, state: ExplorerState, shown: CandidateMap, panels: Mapping[str, Knobs]
    ) -> None:
        self.state = state
        self.map = shown
        self.panels = panels
        self.by_kind: Mapping[str, Export] = {
            "html": Export("nasviz-map.html", "text/html", self._page),
            "candidates": Export("nasviz-candidates.csv", "text/csv", self._candidates),
            "trials": Export("nasviz-trials.csv", "text/csv", self._trials),
            "png": Export("nasviz-map.png", "image/png", self._png),
            "svg": Export("nasviz-map.svg", "image/svg+xml", self._still),
        }

    def _page(self) -> bytes:
        state = self.state
        self._sampled()
        facts = [
            state.hardware.label,
            workload_words(state.workload),
            plural(state.study.count("complete"), "trained trial"),
        ]
        title = f"nasviz: {state.space.name or 'search space'}"
        return map_page(self.map, list(self.panels.items()), title, facts).encode("utf-8")

    def _candidates(self) -> bytes:
        self._sampled()
        sample, space = self.state.sample, self.state.space
        rows = passing_rows(sample, space, self.map.filters)
        return candidates_csv(sample, rows, self.state.prior).encode("utf-8")

    def _trials(self) -> bytes:
        return trials_csv(self.state.study.trials).encode("utf-8")

    def _still(self) -> bytes:
        self._sampled()
        return self.map.still().encode("utf-8")

    def _png(self) -> bytes:
        self._sampled()
        return self.map.png()

    def _sampled(self) -> None:
        if self.state.sample is None:
            raise InputError("the map has no candidates yet: export when it is drawn")

    def maker(self, suffix: str, what: str) -> Callable[[], bytes]:
        """Return what makes the file of that suffix; `what` is the sheet that a `.csv` holds.

        Raises `InputError` for a sheet that there is none of.
        """
        if what not in SHEETS:
            raise unknown_name("sheet", what, SHEETS)
        return self.by_kind[what if suffix == ".csv" else suffix.removeprefix(".")].make
