"""A device's roof and where a candidate's prefill and decode lie under it.

Williams, Waterman and Patterson 2009, Roofline, doi:10.1145/1498765.1498785.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nasviz.plots.axis import Content, fitted_axis, new_figure, refresh
from nasviz.plots.theme import BLUE, GREY, MARKERS, SERIES
from nasviz.plots.units import format_value

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

_DECADES_AROUND = 20.0  # the ridge stays in sight with so much room on either side


@dataclass(frozen=True)
class WorkPoint:
    """One kind of work: its operations, the bytes it moves and the seconds it takes."""

    label: str
    flops: float
    moved_bytes: float
    seconds: float

    @property
    def intensity(self) -> float:
        """Operations a byte moved."""
        return self.flops / self.moved_bytes

    @property
    def flops_per_s(self) -> float:
        """Operations a second reached."""
        return self.flops / self.seconds


@dataclass(frozen=True)
class RooflineRecord:
    """A device (`flops_per_s` in the workload's precision, `bytes_per_s`) and the work on it."""

    device: str
    flops_per_s: float
    bytes_per_s: float
    points: tuple[WorkPoint, ...]

    @property
    def ridge(self) -> float:
        """The operations a byte at which arithmetic takes as long as memory."""
        return self.flops_per_s / self.bytes_per_s


def draw_roofline(record: RooflineRecord) -> Figure:
    """Return the figure of `record`.

    Parts by name: `roof`, `drops` (from a point up to the roof: what is left), `work`, `names`,
    `regions` (which side waits for memory, which for arithmetic).
    """
    from bokeh.models import HoverTool

    drawn = new_figure("log", "log")
    drawn.line("x", "y", name="roof", color=BLUE, line_width=2)
    drawn.segment("x", "y0", "x", "y1", name="drops", color=GREY, line_dash="dotted")
    work = drawn.scatter("x", "y", name="work", marker="marker", color="colour", size=10)
    drawn.text(
        "x", "y", "text", name="names", color="colour", text_font_size="11px",
        text_align="align", x_offset="offset", text_baseline="middle",
    )  # fmt: skip
    drawn.text(
        "x", "y", "text", name="regions", color=GREY, text_font_size="11px", text_align="align",
        text_baseline="bottom", y_offset=-4,
    )  # fmt: skip
    drawn.add_tools(
        HoverTool(renderers=[work], tooltips=[("@text", "@intensity"), ("reached", "@reached")])
    )
    refresh(drawn, roofline_content(record))
    return drawn


def roofline_content(record: RooflineRecord) -> Content:
    """Return what the figure shows of `record`."""
    ridge = record.ridge
    intensities = [point.intensity for point in record.points]
    x = fitted_axis(
        "operations a byte (log)", "", [[ridge / _DECADES_AROUND, ridge * 4], intensities], log=True
    )
    roof_x = [x.low, ridge, x.high]
    roof_y = [min(record.flops_per_s, each * record.bytes_per_s) for each in roof_x]
    reached = [point.flops_per_s for point in record.points]
    y = fitted_axis("operations a second (log)", "FLOP/s", [roof_y, reached], log=True, margin=0.1)
    places = {"x": intensities, "y": reached}
    colours = [SERIES[(at + 1) % len(SERIES)] for at in range(len(reached))]
    return Content(
        x,
        y,
        {
            "roof": {"x": roof_x, "y": roof_y},
            "drops": {
                "x": intensities,
                "y0": reached,
                "y1": [min(record.flops_per_s, each * record.bytes_per_s) for each in intensities],
            },
            "work": places
            | {
                "colour": colours,
                "marker": [MARKERS[at % len(MARKERS)] for at in range(len(reached))],
                "text": [point.label for point in record.points],
                "intensity": [f"{format_value(each)} FLOP/byte" for each in intensities],
                "reached": [format_value(each, "FLOP/s") for each in reached],
            },
            "names": places
            | {
                "colour": colours,
                "text": [point.label for point in record.points],
                "align": ["right" if each > ridge else "left" for each in intensities],
                "offset": [-9.0 if each > ridge else 9.0 for each in intensities],
            },
            "regions": {
                "x": [x.low, x.high],
                "y": [y.low, y.low],
                "text": ["  waits for memory", "waits for arithmetic  "],
                "align": ["left", "right"],
            },
        },
    )
