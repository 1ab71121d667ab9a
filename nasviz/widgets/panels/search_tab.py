"""Search: a strategy that trains candidates of the narrowed space, and the front that it grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.units import NO_BREAK, plural, quantity
from nasviz.errors import InputError
from nasviz.plots.front import Objective, SearchFront
from nasviz.plots.hypervolume import HypervolumeHistory, Search
from nasviz.widgets.figure_view import FigureView
from nasviz.widgets.html import Html, bold, heading, join, note, text
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.state import ExplorerState

if TYPE_CHECKING:
    from nasviz.strategies.search import SearchResult

QUALITY = "bits_per_byte"
STRATEGIES = {
    "nsga2": "NSGA-II",
    "tpe": "TPE",
    "random": "random",
}
AGAINST = {
    "time_per_output_token_s": "time / token",
    "time_to_first_token_s": "first token",
    "parameters_total": "weights",
    "memory_total_bytes": "memory",
    "flops_decode_per_token": "operations",
    "energy_per_token_j": "energy",
}
_DEFAULTS = {
    "strategy": "nsga2",
    "against": "time_per_output_token_s",
    "trials": 8,
    "tokens": 200_000,
    "seed": 0,
}
_HELP = {
    "strategy": "How the next candidate is chosen: NSGA-II crosses the best so far, TPE learns "
    "which sizes do well, random draws blindly.",
    "against": "The cost that is minimised together with bits per byte.",
    "trials": "Candidates to train in this run; a search goes on where it was left.",
    "tokens": "Training tokens of each trial: fewer are faster and say less.",
    "seed": "The same seed proposes the same first candidates.",
}


class SearchTab:
    """Settings, Start and Stop, hypervolume against budget, and the front as it grows.

    `start` begins a search with the settings of the rows, `stop` ends it.
    """

    def __init__(
        self,
        state: ExplorerState,
        start: Callable[[dict[str, Any]], None],
        stop: Callable[[], None],
    ) -> None:
        self.state = state
        self._drawn: tuple[tuple[str, ...], Any, Any] | None = None
        self.knobs = Knobs(search_knobs(), _DEFAULTS, title="Search")
        self.start = ipywidgets.Button(description="Start search")
        self.start.add_class("nv-first")
        self.stop = ipywidgets.Button(description="Stop")
        self.status = ipywidgets.HTML()
        self.front = FigureView(
            label="Front of the search: bits per byte against a cost",
            placeholder="the first trial's point comes here",
        )
        self.history = FigureView(
            label="Hypervolume against trials",
            placeholder="what each trial adds comes here",
        )
        self.box = ipywidgets.HTML()
        self.start.on_click(lambda _button: self._start(start))
        self.stop.on_click(lambda _button: stop())
        self.view = self._columns()
        state.observe(lambda _change: self._show(), names=["search", "searching"])
        self._show()

    def _columns(self) -> ipywidgets.HBox:
        actions = ipywidgets.HBox([self.start, self.stop])
        actions.add_class("nv-actions")
        actions.add_class("nv-needs-kernel")
        title = ipywidgets.HTML(heading("Search", text("by real trials")))
        columns = [
            ipywidgets.VBox([title, self.knobs, actions, self.status]),
            ipywidgets.VBox([ipywidgets.HTML(heading("Front so far")), self.front]),
            ipywidgets.VBox(
                [ipywidgets.HTML(heading("Gain for what was spent")), self.history, self.box]
            ),
        ]
        for column in columns:
            column.add_class("nv-column")
        view = ipywidgets.HBox(columns)
        view.add_class("nv-tab")
        return view

    def _start(self, start: Callable[[dict[str, Any]], None]) -> None:
        try:
            settings = checked_settings(self.knobs.values)
        except InputError as problem:
            name = str(problem).split("=")[0]
            self.knobs.errors = {name: str(problem)}
            return
        self.knobs.errors = {}
        start(settings)

    def _show(self) -> None:
        self.start.disabled = self.state.searching
        self.stop.disabled = not self.state.searching
        result: SearchResult | None = self.state.search
        self.status.value = search_status(result, self.state.searching)
        if result is None:
            self._drawn = None
            self.front.clear()
            self.history.clear()
            self.box.value = Html("")
        elif np.isfinite(result.values).all(axis=1).any():
            self._draw(result)
            self.box.value = box_words(result)

    def _draw(self, result: SearchResult) -> None:
        from nasviz.plots.axis import refresh
        from nasviz.plots.front import draw_front, front_content
        from nasviz.plots.hypervolume import draw_hypervolume, hypervolume_content

        front, history = front_record(result), history_record(result)
        if self._drawn is None or self._drawn[0] != result.objectives:
            self._drawn = (result.objectives, draw_front(front), draw_hypervolume(history))
            self.front.show(self._drawn[1])
            self.history.show(self._drawn[2])
            return
        with self.front.hold():
            refresh(self._drawn[1], front_content(front))
        with self.history.hold():
            refresh(self._drawn[2], hypervolume_content(history))


def search_knobs() -> list[Knob]:
    """Return the rows of a search's settings."""
    strategies = Knob(
        "strategy", "Strategy", "select", _HELP["strategy"],
        values=tuple(STRATEGIES), labels=tuple(STRATEGIES.values()),
    )  # fmt: skip
    against = Knob(
        "against", "Against", "select", _HELP["against"],
        values=tuple(AGAINST), labels=tuple(AGAINST.values()),
    )  # fmt: skip
    return [
        strategies,
        against,
        Knob("trials", "Trials", "number", _HELP["trials"]),
        Knob("tokens", "Tokens", "number", _HELP["tokens"]),
        Knob("seed", "Seed", "number", _HELP["seed"]),
    ]


def checked_settings(values: dict[str, Any]) -> dict[str, Any]:
    """Return the rows' values with whole numbers; raises `InputError` naming the row."""
    for name, least in (("trials", 1), ("tokens", 1), ("seed", 0)):
        value = values.get(name)
        if not isinstance(value, int | float) or value != int(value) or value < least:
            raise InputError(f"{name}={value!r} is not a whole number from {least} up")
    whole = {name: int(values[name]) for name in ("trials", "tokens", "seed")}
    return {**values, **whole}


def search_status(result: SearchResult | None, searching: bool) -> Html:
    """Return how far the search is and what it found."""
    if result is None:
        if searching:
            return note(text("starting the first trial …"))
        return note(
            text("Trains candidates of what the sliders leave, one after the other, and keeps "
                 "those that nothing beats in both objectives.")
        )  # fmt: skip
    complete = int(np.isfinite(result.values).all(axis=1).sum())
    failed = len(result.trials) - complete
    pieces = [
        bold(plural(complete, "trial")),
        text(f" done{f', {failed} failed' if failed else ''} · "),
        bold(plural(len(result.front), "candidate")),
        text(" on the front"),
    ]
    if not searching:
        pieces.append(text(f" · ended: {_ENDINGS.get(result.ending or '', 'stopped')}"))
    return note(join(pieces))


_ENDINGS = {
    "trials": "all trials are done",
    "seconds": "the time is up",
    "stopped": "stopped",
    "exhausted": "the space has no other candidate",
}


def front_record(result: SearchResult) -> SearchFront:
    """Return the trials in the plane of the two objectives: the cost across, quality up."""
    quality = result.objectives.index(QUALITY)
    cost = 1 - quality
    column = COST_COLUMNS[result.objectives[cost]]
    on_front = {trial.number for trial in result.front}
    return SearchFront(
        objectives=(
            Objective(column.label, column.unit, log=True),
            Objective("bits per byte, search part"),
        ),
        x=result.values[:, cost],
        y=result.values[:, quality],
        on_front=np.array([trial.number in on_front for trial in result.trials], dtype=bool),
        labels=tuple(
            f"trial {trial.number}: {trial.candidate.architecture.title}, "
            f"{quantity(float(row[cost]), column.unit)}, {row[quality]:.3f}"
            for trial, row in zip(result.trials, result.values, strict=True)
        ),
    )


def history_record(result: SearchResult) -> HypervolumeHistory:
    """Return the hypervolume after each trial, as a share of its box."""
    spent = np.arange(1, len(result.trials) + 1, dtype=np.float64)
    box = float(np.prod(result.reference - ideal_point(result)))
    return HypervolumeHistory((Search("this search", spent, result.hypervolume),), box)


def ideal_point(result: SearchResult) -> NDArray[np.float64]:
    """Return the best value of each objective that any trial reached, shape (m,)."""
    complete = result.values[np.isfinite(result.values).all(axis=1)]
    return np.asarray(complete.min(axis=0))


def box_words(result: SearchResult) -> Html:
    """Return the share, and of what: the box's two corners, in the objectives' own units."""

    def corner(point: NDArray[np.float64]) -> str:
        return " and ".join(
            objective_words(name, float(value))
            for name, value in zip(result.objectives, point, strict=True)
        )

    record = history_record(result)
    share = float(record.searches[0].hypervolume[-1]) / record.box
    return note(
        bold(quantity(share, "%")),
        text(" so far. 0\N{NO-BREAK SPACE}%: no better than "),
        bold(corner(result.reference)),
        text(" (the reference point, just beyond the worst trial). "),
        text("100\N{NO-BREAK SPACE}%: one model with "),
        bold(corner(ideal_point(result))),
        text(" at once (the best of each so far; the nearer, the less there is to choose)."),
    )


def objective_words(name: str, value: float) -> str:
    """Return an objective's value as people say it: "2.31 bits/byte", "0.9 ms"."""
    if name == QUALITY:
        return f"{value:.2f}{NO_BREAK}bits/byte"
    return quantity(value, COST_COLUMNS[name].unit)
