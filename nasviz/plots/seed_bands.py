"""Several series over seeds in one figure: a band, a line through it, and every seed's points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nasviz.plots.legend_row import add_legend_row
from nasviz.plots.theme import DASHES, MARKERS, SERIES

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


def add_seed_bands(drawn: Figure, names: Iterable[str], line: str) -> None:
    """Add to `drawn` for each name `NAME spread`, `NAME LINE` and `NAME points`, and their legend.

    Points say their column `label` under the pointer.
    """
    from bokeh.models import HoverTool

    names = list(names)
    dots: list[Any] = []
    for place, name in enumerate(names):
        colour = SERIES[place % len(SERIES)]
        drawn.varea("x", "low", "high", name=f"{name} spread", color=colour, alpha=0.16)
        drawn.line(
            "x", "y", name=f"{name} {line}", color=colour, line_width=2,
            line_dash=DASHES[place % len(DASHES)],
        )  # fmt: skip
        dots.append(
            drawn.scatter(
                "x", "y", name=f"{name} points", color=colour, size=7, alpha=0.75,
                marker=MARKERS[place % len(MARKERS)],
            )
        )  # fmt: skip
    drawn.add_tools(HoverTool(renderers=dots, tooltips=[("", "@label")]))
    add_legend_row(drawn, {f"{name} points": name for name in names})
