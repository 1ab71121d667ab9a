"""Quality against compute of two roads to a model, over seeds, and where they cross."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nasviz.cost.units import quantity
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
    (every seed); and `crossing`, with `crossing label`.
    """
    drawn = new_figure("log")
    add_seed_bands(drawn, record.roads, "mean")
    drawn.segment("x", "low", "x", "high", name="crossing", color=GREY, line_dash="dotted")
    drawn.text(
        "x", "high", "label", name="crossing label", color=GREY, text_font_size="11px",
        text_baseline="top", text_align="side", x_offset="away",
    )  # fmt: skip
    refresh_with_legend(drawn, roads_content(record))
    return drawn


def draw_all_roads(records: Mapping[str, Roads]) -> GridPlot:
    """Return the figures of all `records` under their names, two in a row."""
    from bokeh.layouts import gridplot
    from bokeh.models.annotations import Title

    drawn = [draw_roads(record) for record in records.values()]
    for name, each in zip(records, drawn, strict=True):
        each.title = Title(text=name, text_font_style="normal")
    return gridplot([*drawn], ncols=2, sizing_mode="stretch_both", toolbar_location=None)


def roads_content(record: Roads) -> Content:
    """Return what the figure shows of `record`."""
    roads = record.roads.values()
    x = fitted_axis("training compute (log)", "FLOP", [each.compute for each in roads], log=True)
    y = fitted_axis("bits per byte", "", [each.bits_per_byte for each in roads])
    sources: dict[str, Columns] = {}
    for name, road in record.roads.items():
        bits = road.bits_per_byte
        sources[f"{name} spread"] = {
            "x": road.compute,
            "low": bits.min(axis=0),
            "high": bits.max(axis=0),
        }
        sources[f"{name} mean"] = {"x": road.compute, "y": bits.mean(axis=0)}
        sources[f"{name} points"] = _points(name, road)
    at = [] if record.crossing is None else [record.crossing]
    line: Columns = {"x": at, "low": [y.low] * len(at), "high": [y.high] * len(at)}
    sources["crossing"] = line
    said = [f"as good from {quantity(each, 'FLOP')} on" for each in at]
    # Beside the line, on its wider side.
    late = [each**2 > x.low * x.high for each in at]
    sources["crossing label"] = {
        "x": at,
        "high": [y.high] * len(at),
        "label": said,
        "side": ["right" if each else "left" for each in late],
        "away": [-4 if each else 4 for each in late],
    }
    return Content(x, y, sources)


def _points(name: str, road: RoadOverSeeds) -> Columns:
    """Return every seed's points, those of a seed after those of the one before."""
    seeds = len(road.bits_per_byte)
    x, y = np.tile(road.compute, seeds), road.bits_per_byte.ravel()
    said = [
        f"{name}: {bits:.4f} bits per byte, {quantity(flops, 'FLOP')}"
        for flops, bits in zip(x, y, strict=True)
    ]
    return {"x": x, "y": y, "label": said}
