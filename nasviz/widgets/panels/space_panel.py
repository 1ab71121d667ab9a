"""The search space: a slider for each dimension, and what they leave."""

from __future__ import annotations

import re
from typing import Any

import ipywidgets
import numpy as np

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.units import count
from nasviz.space.counting import SpaceCount
from nasviz.space.dimensions import Choice, Dimension, Real
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.html import Html, bold, heading, join, note, text
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.labels import short_label, value_label, worded
from nasviz.widgets.option_space import option_of
from nasviz.widgets.ranges import is_numeric
from nasviz.widgets.state import ExplorerState

CONTINUOUS_STEPS = 41
MOST_REASONS = 4
# How `nasviz.space.conditional` ends the reason that counts one candidate once: nothing is missing.
REPEATS = "says nothing"
# What follows says why, or what to do: too long for the note.
_BEFORE_WHY = re.compile("[:;] ")


class SpacePanel:
    """The sliders that narrow sizes, and a note of what is left of the space and what is excluded.

    Options of inference have a panel of their own (`DynamicPanel`).
    """

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.knobs = Knobs(
            [range_knob(dimension) for dimension in sizes_of(state.space)],
            self._ranges(),
            title="Search space",
        )
        self.reset = ipywidgets.Button(
            description="widen all", tooltip="Every slider back to its ends"
        )
        self.reset.add_class("nv-quiet")
        self.reset.on_click(lambda _button: state.widen())
        self.note = ipywidgets.HTML()
        title = ipywidgets.HTML(heading("Search space"))
        tools = ipywidgets.HBox([self.reset])
        tools.add_class("nv-tools")
        self.view = ipywidgets.VBox([title, tools, self.knobs, self.note])
        self.knobs.on_values(self._narrow)
        state.observe(self._show_ranges, names="ranges")
        state.observe(lambda _change: self._show_count(), names=["count", "ranges"])
        state.observe(lambda _change: self._show_reset(), names=["ranges", "limits", "target"])
        self._show_count()
        self._show_reset()

    def _ranges(self) -> dict[str, Any]:
        return {each.name: self.state.ranges[each.name] for each in sizes_of(self.state.space)}

    def _narrow(self, values: dict[str, Any]) -> None:
        if values != self._ranges():
            self.state.ranges = {**self.state.ranges, **values}

    def _show_reset(self) -> None:
        self.reset.disabled = not self.state.is_narrowed()

    def _show_ranges(self, _change: Any) -> None:
        sizes = sizes_of(self.state.space)
        if [row["name"] for row in self.knobs.knobs] != [each.name for each in sizes]:
            # An option of inference brought sizes with it, or took them away.
            self.knobs.show_rows([range_knob(each) for each in sizes], self._ranges())
        elif self.knobs.values != self._ranges():
            self.knobs.values = self._ranges()

    def _show_count(self) -> None:
        self.note.value = count_note(self.state.count)


def sizes_of(space: SearchSpace) -> tuple[Dimension, ...]:
    """Return the dimensions that are no options of inference."""
    return tuple(each for each in space.dimensions if option_of(each.name) is None)


def range_knob(dimension: Dimension) -> Knob:
    """Return the row that narrows a dimension: a slider with two ends, or a chip a choice."""
    field = dimension.field
    values = dimension_values(dimension)
    return Knob(
        dimension.name,
        short_label(field),
        "range" if is_numeric(dimension) else "choices",
        help=field.help,
        values=values,
        labels=tuple(value_label(field, value) for value in values),
        reference=field.reference,
        unit=field.unit,
    )


def dimension_values(dimension: Dimension) -> tuple[Any, ...]:
    """Return the positions of a dimension's slider; a continuous range gets `CONTINUOUS_STEPS`."""
    if not is_numeric(dimension):
        assert isinstance(dimension, Choice)  # only a choice holds names and switches
        return tuple(dimension.choices)
    if dimension.grid is not None:
        return tuple(np.unique(dimension.grid).tolist())
    assert isinstance(dimension, Real)  # only real ranges have no grid
    steps = dimension.unscaled(np.linspace(0.0, 1.0, CONTINUOUS_STEPS))
    inner = [float(f"{value:.3g}") for value in steps[1:-1]]
    return (dimension.low, *inner, dimension.high)


def count_note(counted: SpaceCount | None) -> Html:
    """Return what is left and what is excluded, the commonest reasons first."""
    if counted is None:
        return note(text("counting candidates …"))
    about = "" if counted.exact else "about "
    left = join([text(about), bold(count(counted.feasible)), text(" candidates left")])
    excluded = [each for each in counted.excluded.items() if not each[0].endswith(REPEATS)]
    excluded.sort(key=lambda pair: -pair[1])
    gone = sum(amount for _, amount in excluded)
    if not gone:
        return note(left, text(" · none excluded"))
    costs = {name: column.label for name, column in COST_COLUMNS.items()}
    reasons = [
        f"{worded(_BEFORE_WHY.split(name)[0], costs)} ({count(amount)})"
        for name, amount in excluded[:MOST_REASONS]
        if amount
    ]
    if len(excluded) > MOST_REASONS:
        reasons.append(f"{len(excluded) - MOST_REASONS} more reasons")
    return note(left, text(f" · {count(gone)} excluded: {', '.join(reasons)}"))
