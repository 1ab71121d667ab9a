"""Where a model's parameters, operations, bytes and seconds go: one stacked bar each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nasviz.plots.axis import Axis, Content, new_figure, refresh
from nasviz.plots.theme import SOFT, component_colour
from nasviz.plots.units import format_value

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

_BAR = 0.62
_LEAST_LABELLED = 0.1  # a narrower part has no room for its share


@dataclass(frozen=True)
class Bar:
    """One total and its parts: `Bar("parameters", "", {"embedding": …, "attention": …})`."""

    label: str
    unit: str
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Breakdown:
    """Bars from top to bottom, all as shares of their own total."""

    bars: tuple[Bar, ...]


def draw_breakdown(record: Breakdown) -> Figure:
    """Return the figure of `record`. Parts by name: `parts` (boxes), `shares`, `titles`."""
    from bokeh.models import HoverTool

    drawn = new_figure()
    boxes = drawn.quad(
        "left", "right", "top", "bottom", name="parts", fill_color="colour", line_color=None
    )
    drawn.text(
        "x", "y", "text", name="shares", color="white", text_font_size="11px",
        text_align="center", text_baseline="middle",
    )  # fmt: skip
    drawn.text(
        "x",
        "y",
        "text",
        name="titles",
        color=SOFT,
        text_font_size="11px",
        text_baseline="bottom",
        y_offset=-2,
    )
    drawn.add_tools(HoverTool(renderers=[boxes], tooltips=[("@part", "@amount (@share)")]))
    drawn.yaxis.visible = False
    drawn.grid.visible = False
    refresh(drawn, breakdown_content(record))
    return drawn


def breakdown_content(record: Breakdown) -> Content:
    """Return what the figure shows of `record`."""
    boxes: dict[str, list[object]] = {
        name: [] for name in ("left", "right", "top", "bottom", "colour", "part", "amount", "share")
    }
    shares: dict[str, list[object]] = {"x": [], "y": [], "text": []}
    titles: dict[str, list[object]] = {"x": [], "y": [], "text": []}
    for row, bar in enumerate(record.bars):
        middle = len(record.bars) - 1 - row
        total = sum(bar.parts.values())
        titles["x"].append(0.0)
        titles["y"].append(middle + _BAR / 2)
        titles["text"].append(f"{bar.label}: {format_value(total, bar.unit)}")
        reached = 0.0
        for part, amount in bar.parts.items():
            share = amount / total if total else 0.0
            values = (
                reached, reached + share, middle + _BAR / 2, middle - _BAR / 2,
                component_colour(part), part.replace("_", " "),
                format_value(amount, bar.unit), f"{share:.0%}",
            )  # fmt: skip
            for name, value in zip(boxes, values, strict=True):
                boxes[name].append(value)
            if share >= _LEAST_LABELLED:
                shares["x"].append(reached + share / 2)
                shares["y"].append(middle)
                shares["text"].append(f"{share:.0%}")
            reached += share
    return Content(
        Axis("share of the total", "%", 0.0, 1.0),
        Axis("", "", -0.6, max(len(record.bars), 1) - 0.1),
        {"parts": boxes, "shares": shares, "titles": titles},
    )
