"""Quality against compute of two roads to a model, over seeds, and where they cross."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nasviz.cost.units import quantity, scale_of
from nasviz.plots.axis import Columns, Content, fitted_axis, new_figure
from nasviz.plots.legend_row import refresh_with_legend
from nasviz.plots.seed_bands import add_seed_bands
from nasviz.plots.theme import GREY
from nasviz.quality.road_over_seeds import RoadOverSeeds

if TYPE_CHECKING:
    from bokeh.models import GridPlot
    from bokeh.plotting import figure as Figure  # noqa: N812


@dataclass(frozen=True, eq=False)
class Roads:
    """Roads by name; and the compute from which on one is as good as the other, None for never."""

    roads: Mapping[str, RoadOverSeeds]
    crossing: float | None = None


def draw_roads(record: Roads) -> Figure:
    """Return the figure of `record`.

    Parts by road: `NAME spread` (from the best to the worst seed), `NAME mean` and `NAME points`
    (every seed); and `crossing`.
    """
    drawn = new_figure("log")
    add_seed_bands(drawn, record.roads, "mean")
    drawn.segment("x", "low", "x", "high", name="crossing", color=GREY, line_dash="dotted")
    refresh_with_legend(drawn, roads_content(record))
    return drawn


def draw_all_roads(records: Mapping[str, Roads]) -> GridPlot:
    """Return the figures of all `records`, two in a row, each under its name and crossing."""
    from bokeh.layouts import gridplot
    from bokeh.models.annotations import Title

    drawn = [draw_roads(record) for record in records.values()]
    for (name, record), each in zip(records.items(), drawn, strict=True):
        at = record.crossing
        said = name if at is None else f"{name}\nas good from {quantity(at, 'FLOP')} on"
        each.title = Title(text=said, text_font_style="normal")
    return gridplot([*drawn], ncols=2, sizing_mode="stretch_both", toolbar_location=None)


def roads_content(record: Roads) -> Content:
    """Return what the figure shows of `record`."""
    roads = record.roads.values()
    most = max((float(each.compute.max()) for each in roads if each.compute.size), default=1.0)
    factor, unit = scale_of(most, "FLOP")  # once at the axis: at every tick it is too wide
    compute = [each.compute / factor for each in roads]
    x = fitted_axis(f"training compute in {unit} (log)", "", compute, log=True)
    y = fitted_axis("bits per byte", "", [each.bits_per_byte for each in roads])
    sources: dict[str, Columns] = {}
    for name, road in record.roads.items():
        bits = road.bits_per_byte
        sources[f"{name} spread"] = {
            "x": road.compute / factor,
            "low": bits.min(axis=0),
            "high": bits.max(axis=0),
        }
        sources[f"{name} mean"] = {"x": road.compute / factor, "y": bits.mean(axis=0)}
        sources[f"{name} points"] = _points(name, road, factor)
    at = [] if record.crossing is None else [record.crossing / factor]
    line: Columns = {"x": at, "low": [y.low] * len(at), "high": [y.high] * len(at)}
    sources["crossing"] = line
    return Content(x, y, sources)


def _points(name: str, road: RoadOverSeeds, factor: float) -> Columns:
    """Return every seed's points, those of a seed after those of the one before."""
    seeds = len(road.bits_per_byte)
    x, y = np.tile(road.compute, seeds), road.bits_per_byte.ravel()
    said = [
        f"{name}: {bits:.4f} bits per byte, {quantity(flops, 'FLOP')}"
        for flops, bits in zip(x, y, strict=True)
    ]
    return {"x": x / factor, "y": y, "label": said}
