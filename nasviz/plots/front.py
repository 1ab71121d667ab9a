"""A search's front as it grows: every trial's two objectives, and those that nothing beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.axis import Content, fitted_axis, new_figure, refresh
from nasviz.plots.theme import BLUE, GREY, VERMILLION

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


@dataclass(frozen=True)
class Objective:
    """One objective's label and unit, and whether its axis is logarithmic."""

    label: str
    unit: str = ""
    log: bool = False


@dataclass(frozen=True, eq=False)
class SearchFront:
    """Trials in two objectives: `x`, `y` (n,), `labels` (n), and which are on the front (n,).

    Who dominates whom is decided by the caller (`nasviz.strategies.pareto`): a plot only draws.
    `reference` is the hypervolume's reference point.
    """

    objectives: tuple[Objective, Objective]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    on_front: NDArray[np.bool_]
    labels: tuple[str, ...]
    reference: tuple[float, float] | None = None


def draw_front(record: SearchFront) -> Figure:
    """Return the figure of `record`. Parts by name: `trials`, `steps`, `front`, `latest`."""
    from bokeh.models import HoverTool

    kinds: list[Literal["linear", "log"]] = [
        "log" if objective.log else "linear" for objective in record.objectives
    ]
    drawn = new_figure(*kinds)
    drawn.line("x", "y", name="steps", color=BLUE, line_width=1.6)
    dots = drawn.scatter("x", "y", name="trials", color=GREY, alpha=0.65, size=7)
    front = drawn.scatter("x", "y", name="front", color=VERMILLION, size=9)
    drawn.scatter("x", "y", name="latest", fill_color=None, line_color=BLUE, line_width=2, size=16)
    drawn.add_tools(HoverTool(renderers=[dots, front], tooltips=[("", "@label")]))
    refresh(drawn, front_content(record))
    return drawn


def front_content(record: SearchFront) -> Content:
    """Return what the figure shows of `record`; the front is a staircase, as dominance is."""
    x, y = np.asarray(record.x, float), np.asarray(record.y, float)
    known = np.isfinite(x) & np.isfinite(y)
    best = np.flatnonzero(known & record.on_front)
    best = best[np.argsort(x[best], kind="stable")]
    others = np.flatnonzero(known & ~record.on_front)
    latest = np.flatnonzero(known)[-1:]
    axes = [
        fitted_axis(
            objective.label + (" (log)" if objective.log else ""), objective.unit,
            [values[known]], log=objective.log,
        )
        for objective, values in zip(record.objectives, (x, y), strict=True)
    ]  # fmt: skip
    return Content(
        axes[0],
        axes[1],
        {
            "trials": _points(record, x, y, others),
            "front": _points(record, x, y, best),
            "latest": _points(record, x, y, latest),
            "steps": {"x": np.repeat(x[best], 2)[1:], "y": np.repeat(y[best], 2)[:-1]},
        },
    )


def _points(
    record: SearchFront,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> dict[str, object]:
    return {"x": x[rows], "y": y[rows], "label": [record.labels[row] for row in rows]}
