"""Two roads to one model: pruned from a trained one and healed, or trained from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nasviz.cost.units import quantity, scale_of
from nasviz.plots.axis import Axis, Columns, Content, fitted_axis, new_figure
from nasviz.plots.legend_row import add_legend_row, refresh_with_legend
from nasviz.plots.theme import BLUE, GREEN, GREY, VERMILLION
from nasviz.quality.crossing import Road

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

# Bits per byte of first steps would leave the rest no room: what is shown reaches so far above the
# best of all.
_WORST_SHOWN = 1.6


@dataclass(frozen=True, eq=False)
class PruneOrScratch:
    """Bits per byte against training compute, in FLOPs.

    parent: the parent's own training. pruned: the child's healing, from the parent's compute on.
    shared: the same from the parent's compute shared among its children; None where it has one.
    scratch: the twin's training, None without one. overtaken: the compute from which on scratch is
    as good as pruned, None where it is not within what was measured.
    """

    parent: Road
    pruned: Road
    shared: Road | None = None
    scratch: Road | None = None
    overtaken: float | None = None


def draw_prune_or_scratch(record: PruneOrScratch) -> Figure:
    """Return the figure of `record`.

    Parts by name: `parent`, `pruned`, `shared`, `scratch` (lines) each with `…_points`, `cut` (from
    the parent's end to the child's start), `crossing` with `crossing_line`.
    Bring it to another record by `refresh_with_legend(figure, prune_or_scratch_content(record))`.
    """
    from bokeh.models import HoverTool

    drawn = new_figure("log")
    looks: dict[str, dict[str, Any]] = {
        "parent": {"color": GREY, "marker": "circle"},
        "shared": {"color": GREEN, "marker": "triangle"},
        "pruned": {"color": BLUE, "marker": "circle"},
        "scratch": {"color": VERMILLION, "marker": "square"},
    }
    drawn.segment("x0", "y0", "x1", "y1", name="crossing_line", color=GREY, line_dash="dotted")
    drawn.segment("x0", "y0", "x1", "y1", name="cut", color=BLUE, line_dash="dotted")
    hovered: list[Any] = []
    for name, look in looks.items():
        dash = "dashed" if name == "shared" else "solid"
        drawn.line("x", "y", name=name, color=look["color"], line_width=2, line_dash=dash)
        points = drawn.scatter(
            "x", "y", name=f"{name}_points", marker=look["marker"], color=look["color"], size=6
        )
        hovered.append(points)
    drawn.scatter(
        "x", "y", name="crossing", marker="diamond", fill_color=None, line_color=VERMILLION,
        line_width=2.2, size=17,
    )  # fmt: skip
    drawn.add_tools(HoverTool(renderers=hovered, tooltips=[("", "@label")]))
    add_legend_row(
        drawn,
        {
            "parent": "parent",
            "pruned": "pruned",
            "shared": "parent shared",
            "scratch": "scratch",
            "crossing": "overtakes",
        },
    )
    refresh_with_legend(drawn, prune_or_scratch_content(record))
    return drawn


def prune_or_scratch_content(record: PruneOrScratch) -> Content:
    """Return what the figure shows of `record`."""
    roads = {
        "parent": record.parent, "pruned": record.pruned, "shared": record.shared,
        "scratch": record.scratch,
    }  # fmt: skip
    known = {name: road for name, road in roads.items() if road is not None}
    every = [road.bits_per_byte for road in known.values()]
    best = min((float(each.min()) for each in every if each.size), default=1.0)
    seen = {name: road.bits_per_byte <= best * _WORST_SHOWN for name, road in known.items()}
    most = max((float(road.compute[-1]) for road in known.values() if road.compute.size), default=1)
    factor, unit = scale_of(most, "FLOP")  # once at the axis: at every tick it is too wide
    x = fitted_axis(
        f"training compute in {unit} (log)", "",
        [road.compute[seen[name]] / factor for name, road in known.items()], log=True,
    )  # fmt: skip
    y = fitted_axis(
        "bits per byte", "", [road.bits_per_byte[seen[name]] for name, road in known.items()],
        margin=0.1,
    )  # fmt: skip
    sources: dict[str, Columns] = {}
    for name in roads:
        columns = _columns(_TITLES[name], known.get(name), factor)
        sources[name] = {part: columns[part] for part in ("x", "y")}
        sources[f"{name}_points"] = columns
    return Content(x, y, {**sources, "cut": _cut(record, factor), **_crossing(record, y, factor)})


_TITLES = {
    "parent": "the parent", "pruned": "pruned and healed",
    "shared": "pruned and healed, the parent's training shared", "scratch": "from scratch",
}  # fmt: skip


def _columns(title: str, road: Road | None, factor: float) -> Columns:
    if road is None:
        return {"x": [], "y": [], "label": []}
    labels = [
        f"{title}: {quantity(compute, 'FLOP')}, {bits:.4f} bits per byte"
        for compute, bits in zip(road.compute, road.bits_per_byte, strict=True)
    ]
    return {"x": road.compute / factor, "y": road.bits_per_byte, "label": labels}


def _cut(record: PruneOrScratch, factor: float) -> Columns:
    """Return the line from the parent's end to where the pruned model starts."""
    if not (record.parent.compute.size and record.pruned.compute.size):
        return {"x0": [], "y0": [], "x1": [], "y1": []}
    return {
        "x0": record.parent.compute[-1:] / factor, "y0": record.parent.bits_per_byte[-1:],
        "x1": record.pruned.compute[:1] / factor, "y1": record.pruned.bits_per_byte[:1],
    }  # fmt: skip


def _crossing(record: PruneOrScratch, y: Axis, factor: float) -> dict[str, Columns]:
    at = [] if record.overtaken is None or record.scratch is None else [record.overtaken]
    heights: list[float] = []
    if at and record.scratch is not None:
        heights = record.scratch.at(np.array(at)).tolist()
    across = [each / factor for each in at]
    return {
        "crossing": {"x": across, "y": heights},
        "crossing_line": {"x0": across, "x1": across, "y0": [y.low] * len(at), "y1": heights},
    }
