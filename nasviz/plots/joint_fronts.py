"""Fronts of several ways to search, over seeds: what each reaches for a cost, and its spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.units import quantity
from nasviz.plots.axis import Axis, Columns, Content, fitted_axis, new_figure
from nasviz.plots.front import Objective
from nasviz.plots.legend_row import refresh_with_legend
from nasviz.plots.seed_bands import add_seed_bands

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

Floats = NDArray[np.float64]

OPERATIONS = Objective("operations of a generated token", "FLOP", log=True)


class Reached(Protocol):
    """Bits per byte that are reached at each cost, (n,): of the best, middle and worst seed.

    Infinite where nothing is reached for so little; each value holds up to the next cost.
    """

    @property
    def cost(self) -> Floats:
        """Rising costs."""

    @property
    def best(self) -> Floats:
        """Of the best seed."""

    @property
    def middle(self) -> Floats:
        """Of the middle seed."""

    @property
    def worst(self) -> Floats:
        """Of the worst seed."""


@dataclass(frozen=True, eq=False)
class JointFronts:
    """What each arm reached, by the arm's name, and its points, (k, 2) of (bits per byte, cost)."""

    reached: Mapping[str, Reached]
    points: Mapping[str, Floats]
    cost: Objective = OPERATIONS


def draw_joint_fronts(record: JointFronts) -> Figure:
    """Return the figure of `record`.

    Parts by arm: `NAME spread` (from the best to the worst seed), `NAME middle` (steps) and
    `NAME points` (every winner of every seed).
    """
    drawn = new_figure("log" if record.cost.log else "linear")
    add_seed_bands(drawn, record.reached, "middle")
    refresh_with_legend(drawn, joint_fronts_content(record))
    return drawn


def joint_fronts_content(record: JointFronts) -> Content:
    """Return what the figure shows of `record`: steps, as dominance is, up to its right edge."""
    points = [each.reshape(-1, 2) for each in record.points.values()]
    x = fitted_axis(
        record.cost.label + (" (log)" if record.cost.log else ""), record.cost.unit,
        [each[:, 1] for each in points], log=record.cost.log,
    )  # fmt: skip
    y = fitted_axis("bits per byte", "", [each[:, 0] for each in points])
    sources: dict[str, Columns] = {}
    for name, reached in record.reached.items():
        seen = np.isfinite(reached.worst)
        sources[f"{name} spread"] = {
            "x": _corners(reached.cost[seen], x),
            "low": _heights(reached.best[seen]),
            "high": _heights(reached.worst[seen]),
        }
        half = np.isfinite(reached.middle)
        sources[f"{name} middle"] = {
            "x": _corners(reached.cost[half], x),
            "y": _heights(reached.middle[half]),
        }
        sources[f"{name} points"] = _points(name, record.points[name].reshape(-1, 2), record.cost)
    return Content(x, y, sources)


def _corners(cost: Floats, axis: Axis) -> Floats:
    """Return the places of the corners of a staircase that goes on to the right edge."""
    return np.append(np.repeat(cost, 2)[1:], axis.high) if len(cost) else cost


def _heights(values: Floats) -> Floats:
    return np.repeat(values, 2)


def _points(name: str, values: Floats, cost: Objective) -> Columns:
    return {
        "x": values[:, 1],
        "y": values[:, 0],
        "label": [
            f"{name}: {bits:.4f} bits per byte, {quantity(flops, cost.unit)}"
            for bits, flops in values
        ],
    }
