"""An axis that fits its data: ends, round ticks and their labels; and a figure's frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from nasviz.plots.theme import LABEL_SIZE, TICK_SIZE
from nasviz.plots.ticks import tick_labels, ticks_within

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """One axis: what it says, its unit and its ends in the data's own numbers."""

    label: str
    unit: str
    low: float
    high: float
    log: bool = False

    def ticks(self, wanted: int) -> dict[float, str]:
        """Return the ticks with their labels."""
        if not self.log:
            ticks = ticks_within(self.low, self.high, log=False, wanted=wanted, unit=self.unit)
            return dict(zip(ticks, tick_labels(ticks, self.unit, log=False), strict=True))
        logs = ticks_within(math.log10(self.low), math.log10(self.high), log=True, wanted=wanted)
        labels = tick_labels(logs, self.unit, log=True)
        return {10.0**tick: label for tick, label in zip(logs, labels, strict=True)}


@dataclass(frozen=True)
class Content:
    """What a figure shows now: its two axes, and the columns of its named sources."""

    x: Axis
    y: Axis
    sources: Mapping[str, Columns]


def fitted_axis(
    label: str,
    unit: str,
    values: Iterable[ArrayLike],
    *,
    log: bool = False,
    from_zero: bool = False,
    margin: float = 0.05,
) -> Axis:
    """Return an axis around all finite `values` (positive ones if `log`), with a margin."""
    arrays = [np.asarray(each, dtype=float).ravel() for each in values]
    numbers = np.concatenate(arrays) if arrays else np.empty(0)
    numbers = numbers[np.isfinite(numbers) & ((numbers > 0) | (not log))]
    low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (1.0, 10.0)
    if log:
        ends = (math.log10(low), math.log10(high))
        wide = max(ends[1] - ends[0], 0.3) * margin
        return Axis(label, unit, 10 ** (ends[0] - wide), 10 ** (ends[1] + wide), log=True)
    if from_zero:
        low = min(0.0, low)
    wide = (high - low or abs(high) or 1.0) * margin
    return Axis(label, unit, low if from_zero and low == 0 else low - wide, high + wide)


def new_figure(
    x_axis_type: Literal["linear", "log"] = "linear",
    y_axis_type: Literal["linear", "log"] = "linear",
) -> Figure:
    """Return an empty figure in nasviz's manner: it fills its place and has no toolbar."""
    from bokeh.models import Range1d
    from bokeh.plotting import figure

    drawn = figure(
        sizing_mode="stretch_both",
        x_axis_type=x_axis_type,
        y_axis_type=y_axis_type,
        x_range=Range1d(start=0.0, end=1.0),
        y_range=Range1d(start=0.0, end=1.0),
        toolbar_location=None,
        tools="",
        min_border_right=14,
    )
    drawn.outline_line_color = None
    for axis in drawn.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = LABEL_SIZE
        axis.major_label_text_font_size = TICK_SIZE
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
    return drawn


def refresh(drawn: Figure, content: Content) -> None:
    """Bring a figure to `content`: put it in `FigureView.hold()` and it is one message."""
    _place(drawn.x_range, drawn.xaxis[0], drawn.xgrid[0], content.x, wanted=5)
    _place(drawn.y_range, drawn.yaxis[0], drawn.ygrid[0], content.y, wanted=5)
    # Not `select_one`, which walks every model of the figure for each part: 30 ms a time.
    parts: dict[str, Any] = {part.name: part for part in drawn.renderers if part.name is not None}
    for name, columns in content.sources.items():
        source = parts[name].data_source
        if not _same(source.data, columns):
            source.data = dict(columns)


def _same(shown: Columns, wanted: Columns) -> bool:
    """Whether a source shows these columns already: what is equal need not travel again."""
    return shown.keys() == wanted.keys() and all(
        _equal(shown[name], wanted[name]) for name in wanted
    )


def _equal(shown: Any, wanted: Any) -> bool:
    """Whether two columns are equal; those of several lines are taken as new."""
    nested = any(isinstance(each, list | tuple | np.ndarray) for each in (*shown[:1], *wanted[:1]))
    return not nested and np.array_equal(np.asarray(shown), np.asarray(wanted))


def _place(ends: Any, axis: Any, grid: Any, wanted_axis: Axis, wanted: int) -> None:
    from bokeh.models import FixedTicker

    ticks = wanted_axis.ticks(wanted)
    ends.start, ends.end = wanted_axis.low, wanted_axis.high
    axis.axis_label = wanted_axis.label
    axis.major_label_overrides = ticks
    if isinstance(axis.ticker, FixedTicker):
        axis.ticker.ticks = list(ticks)
    else:
        axis.ticker = grid.ticker = FixedTicker(ticks=list(ticks))
