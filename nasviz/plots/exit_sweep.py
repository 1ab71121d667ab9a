"""Quality against average cost as the exit threshold goes from 0 to 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.cost.units import number, quantity
from nasviz.plots.axis import Axis, Columns, Content, fitted_axis, new_figure
from nasviz.plots.front import Objective
from nasviz.plots.legend_row import add_legend_row, refresh_with_legend
from nasviz.plots.theme import BLUE, GREEN, GREY, SOFT, VERMILLION

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

# Exits that are far too early cost several times the bits: the figure shows the part of the curve
# where one would choose, up to so much above the whole model.
_WORST_SHOWN = 1.35


@dataclass(frozen=True)
class ModelPoint:
    """A model or a run with its cost and quality; `threshold` is NaN where it has none."""

    label: str
    cost: float
    bits_per_byte: float
    threshold: float = math.nan


@dataclass(frozen=True, eq=False)
class ExitSweepCurve:
    """The sweep of a trace, (t,) each, priced in any cost, and what to hold it against.

    chosen: the threshold (its index) that is set. whole: the model without early exit.
    measured: real runs at some thresholds, one token after the other, to see what the arithmetic
    of the trace leaves out. static: smaller models of like cost. allowed: the bits per byte that
    are put up with, such as 1% more than the whole model's.
    """

    cost: Objective
    thresholds: NDArray[np.float64]
    costs: NDArray[np.float64]
    bits_per_byte: NDArray[np.float64]
    whole: ModelPoint
    chosen: int | None = None
    measured: tuple[ModelPoint, ...] = ()
    static: tuple[ModelPoint, ...] = ()
    allowed: float | None = None


def draw_exit_sweep(record: ExitSweepCurve) -> Figure:
    """Return the figure of `record`.

    Parts by name: `levels` (lines at the whole model's quality and at what is allowed) with
    `level_names`, `curve`, `gaps` (from the curve to a measured run of the same threshold),
    `static`, `measured`, `whole`, `chosen` with `chosen_name`. Bring it to another record by
    `refresh_with_legend(figure, exit_sweep_content(record))`.
    """
    from bokeh.models import HoverTool

    drawn = new_figure()
    drawn.segment("x0", "y", "x1", "y", name="levels", color=GREY, line_dash="dotted")
    drawn.segment("x0", "y0", "x1", "y1", name="gaps", color=VERMILLION, line_width=1)
    curve = drawn.line("x", "y", name="curve", color=BLUE, line_width=2)
    static = drawn.scatter("x", "y", name="static", marker="square", color=GREEN, size=8)
    measured = drawn.scatter("x", "y", name="measured", marker="diamond", color=VERMILLION, size=11)
    whole = drawn.scatter("x", "y", name="whole", color=GREY, size=9)
    drawn.scatter(
        "x", "y", name="chosen", fill_color=None, line_color=BLUE, line_width=2.5, size=15
    )
    drawn.text(
        "x", "y", "text", name="level_names", color=SOFT, text_font_size="11px",
        text_baseline="bottom", y_offset=-3,
    )  # fmt: skip
    drawn.text(
        "x", "y", "text", name="chosen_name", color=SOFT, text_font_size="11px",
        text_align="align", text_baseline="bottom", x_offset="offset", y_offset=-3,
    )  # fmt: skip
    drawn.add_tools(
        HoverTool(
            renderers=[curve, static, measured, whole],
            tooltips=[("", "@label")],
            line_policy="nearest",
        )
    )
    add_legend_row(
        drawn,
        {
            "curve": "early exit",
            "chosen": "set",
            "measured": "measured",
            "whole": "whole model",
            "static": "static models",
        },
    )
    refresh_with_legend(drawn, exit_sweep_content(record))
    return drawn


def exit_sweep_content(record: ExitSweepCurve) -> Content:
    """Return what the figure shows of `record`."""
    points = (record.whole, *record.measured, *record.static)
    near = record.bits_per_byte <= record.whole.bits_per_byte * _WORST_SHOWN
    set_ = [] if record.chosen is None else [record.chosen]
    costs: list[ArrayLike] = [
        record.costs[near],
        record.costs[set_],
        [each.cost for each in points],
    ]
    bits: list[ArrayLike] = [
        record.bits_per_byte[near],
        record.bits_per_byte[set_],
        [each.bits_per_byte for each in points],
    ]
    x = fitted_axis(record.cost.label, record.cost.unit, costs)
    y = fitted_axis("bits per byte", "", bits, margin=0.08)
    chosen = {"x": record.costs[set_], "y": record.bits_per_byte[set_]}
    at_left = [bool(each > (x.low + 3 * x.high) / 4) for each in record.costs[set_]]
    names = {  # at the point's left where the figure ends at its right
        "text": [f"{each:.3g}" for each in record.thresholds[set_]],
        "align": ["right" if each else "left" for each in at_left],
        "offset": [-11 if each else 11 for each in at_left],
    }
    return Content(
        x,
        y,
        {
            **_levels(record, x),
            "curve": _curve(record),
            "gaps": _gaps(record),
            "measured": _points(record.measured, record.cost),
            "static": _points(record.static, record.cost),
            "whole": _points((record.whole,), record.cost),
            "chosen": chosen,
            "chosen_name": chosen | names,
        },
    )


def _levels(record: ExitSweepCurve, x: Axis) -> dict[str, Columns]:
    """Return the lines at the whole model's quality and at what is allowed, and their names."""
    whole = record.whole.bits_per_byte
    levels = {"": whole}  # the legend names it
    if record.allowed is not None:
        levels[f"{number(100 * (record.allowed / whole - 1))}% more"] = record.allowed
    heights = list(levels.values())
    starts = [x.low] * len(levels)
    return {
        "levels": {"x0": starts, "x1": [x.high] * len(levels), "y": heights},
        "level_names": {"x": starts, "y": heights, "text": list(levels)},
    }


def _curve(record: ExitSweepCurve) -> Columns:
    order = np.argsort(record.thresholds, kind="stable")
    costs, bits = record.costs[order], record.bits_per_byte[order]
    labels = [
        _said(f"threshold {threshold:.4g}", cost, value, record.cost)
        for threshold, cost, value in zip(record.thresholds[order], costs, bits, strict=True)
    ]
    return {"x": costs, "y": bits, "label": labels}


def _gaps(record: ExitSweepCurve) -> Columns:
    """Return lines from the curve to the runs measured at the same threshold."""
    order = np.argsort(record.thresholds, kind="stable")
    thresholds = record.thresholds[order]
    at = [each.threshold for each in record.measured]
    return {
        "x0": np.interp(at, thresholds, record.costs[order]),
        "y0": np.interp(at, thresholds, record.bits_per_byte[order]),
        "x1": [each.cost for each in record.measured],
        "y1": [each.bits_per_byte for each in record.measured],
    }


def _points(points: tuple[ModelPoint, ...], cost: Objective) -> Columns:
    return {
        "x": [each.cost for each in points],
        "y": [each.bits_per_byte for each in points],
        "label": [_said(each.label, each.cost, each.bits_per_byte, cost) for each in points],
    }


def _said(name: str, cost: float, bits: float, objective: Objective) -> str:
    # A unit says what is counted; where there is none, the label does: "4.2 layers".
    priced = quantity(cost, objective.unit or objective.label)
    return f"{name}: {priced}, {bits:.4f} bits per byte"
