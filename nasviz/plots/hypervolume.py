"""What a search has found for what it has spent: hypervolume against trials or seconds.

The hypervolume (Zitzler & Thiele 1999) is the part of a box that the front beats: from the
reference point, just worse than everything found, to the ideal point, the best of each objective
at once. As a share of that box it has no unit, whatever the objectives'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.axis import Content, fitted_axis, new_figure, refresh
from nasviz.plots.end_labels import label_heights, with_room
from nasviz.plots.theme import DASHES, SERIES, SOFT

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


@dataclass(frozen=True, eq=False)
class Search:
    """One search's course: `spent` and `hypervolume`, shape (n,) each, in the order of time."""

    label: str
    spent: NDArray[np.float64]
    hypervolume: NDArray[np.float64]


@dataclass(frozen=True)
class HypervolumeHistory:
    """Searches to compare on one reference point; `spent_label` "trials" or "seconds".

    `box` is the volume between the reference and the ideal point.
    """

    searches: tuple[Search, ...]
    box: float = 1.0
    spent_label: str = "trials"
    unit: str = ""


def draw_hypervolume(record: HypervolumeHistory) -> Figure:
    """Return the figure of `record`. Parts by name: `searches` (steps), `ends`, `names`."""
    drawn = new_figure()
    drawn.multi_line("xs", "ys", name="searches", color="colour", line_dash="dash", line_width=1.8)
    drawn.scatter("x", "y", name="ends", color="colour", size=8)
    drawn.text(
        "x", "y", "text", name="names", color=SOFT, text_font_size="11px",
        text_align="left", text_baseline="middle", x_offset=9,
    )  # fmt: skip
    refresh(drawn, hypervolume_content(record))
    return drawn


def hypervolume_content(record: HypervolumeHistory) -> Content:
    """Return what the figure shows of `record`: steps, since a value holds until the next trial."""
    steps = [_steps(search, record.box) for search in record.searches]
    colours = [SERIES[place % len(SERIES)] for place in range(len(steps))]
    seen = [place for place, (xs, _) in enumerate(steps) if xs.size]
    ends: dict[str, list[Any]] = {
        "x": [float(steps[place][0][-1]) for place in seen],
        "y": [float(steps[place][1][-1]) for place in seen],
        "colour": [colours[place] for place in seen],
    }
    across = fitted_axis(
        record.spent_label, record.unit, [xs for xs, _ in steps], from_zero=True, margin=0.02
    )
    heights = [ys for _, ys in steps]
    y = fitted_axis("box beaten by the front", "%", heights, from_zero=True, margin=0.12)
    several = seen if len(record.searches) > 1 else []  # one line needs no name
    return Content(
        with_room(across) if several else across,
        y,
        {
            "searches": {
                "xs": [xs for xs, _ in steps],
                "ys": [ys for _, ys in steps],
                "colour": colours,
                "dash": [DASHES[place % len(DASHES)] for place in range(len(steps))],
            },
            "ends": ends,
            "names": {
                "x": [across.high] * len(several),
                "y": label_heights([ends["y"][at] for at in range(len(several))], y),
                "text": [record.searches[place].label for place in several],
            },
        },
    )


def _steps(search: Search, box: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    spent = np.asarray(search.spent, float)
    reached = np.asarray(search.hypervolume, float) / box
    if spent.size == 0:
        return spent, reached
    return np.repeat(spent, 2)[1:], np.repeat(reached, 2)[:-1]
