"""How trials learn: loss or bits per byte against tokens or seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.axis import Axis, Content, fitted_axis, new_figure, refresh
from nasviz.plots.end_labels import label_heights, with_room
from nasviz.plots.theme import DASHES, GREY, MARKERS, SERIES, SOFT

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

# A longer curve is drawn by so many points: more than the pixels it has.
_MOST_POINTS = 1_200


@dataclass(frozen=True, eq=False)
class Curve:
    """What one trial reported; all arrays (n,). `bits_per_byte` is NaN between evaluations."""

    label: str
    tokens: NDArray[np.float64]
    seconds: NDArray[np.float64]
    loss: NDArray[np.float64]
    bits_per_byte: NDArray[np.float64]


@dataclass(frozen=True)
class LearningCurves:
    """The trials to compare, and against what.

    `measure` "loss" is nats a token (comparable within one vocabulary), "bits_per_byte" the
    held-out score (comparable across them). `levels` are lines to know one's place by:
    `(("unigram", 3.31),)`.
    """

    curves: tuple[Curve, ...]
    against: Literal["tokens", "seconds"] = "tokens"
    measure: Literal["loss", "bits_per_byte"] = "loss"
    levels: tuple[tuple[str, float], ...] = ()


def draw_learning_curve(record: LearningCurves) -> Figure:
    """Return the figure of `record`.

    Parts by name: `curves` (lines), `scores` (markers at evaluations), `ends` (the latest point),
    `names` (right of all curves), `levels`.
    """
    from bokeh.models import HoverTool

    drawn = new_figure()
    drawn.segment("x0", "y", "x1", "y", name="levels", color=GREY, line_dash="dotted")
    lines = drawn.multi_line(
        "xs", "ys", name="curves", color="colour", line_dash="dash", line_width=1.8
    )
    drawn.scatter("x", "y", name="scores", marker="marker", color="colour", size=6)
    drawn.scatter("x", "y", name="ends", marker="marker", color="colour", size=9)
    drawn.text(
        "x", "y", "text", name="names", color=SOFT, text_font_size="11px",
        text_align="left", text_baseline="middle", x_offset=9,
    )  # fmt: skip
    drawn.add_tools(HoverTool(renderers=[lines], tooltips=[("", "@label"), ("", "$data_y")]))
    refresh(drawn, learning_curve_content(record))
    return drawn


def learning_curve_content(record: LearningCurves) -> Content:
    """Return what the figure shows of `record`: for `refresh`, while trials are running."""
    paths = [_path(curve, record) for curve in record.curves]
    colours = [SERIES[place % len(SERIES)] for place in range(len(paths))]
    markers = [MARKERS[place % len(MARKERS)] for place in range(len(paths))]
    dashes = [DASHES[place // len(SERIES) % len(DASHES)] for place in range(len(paths))]
    labels = [curve.label for curve in record.curves]
    across = fitted_axis(
        *(("training time", "s") if record.against == "seconds" else ("tokens", "")),
        [path[0] for path in paths], from_zero=True, margin=0.02,
    )  # fmt: skip
    x = with_room(across)
    levels = [value for _, value in record.levels]
    y = _measure_axis(record, [path[1] for path in paths], levels)
    seen = [place for place, (xs, _) in enumerate(paths) if xs.size]
    ends: dict[str, list[Any]] = {
        "x": [float(paths[place][0][-1]) for place in seen],
        "y": [float(paths[place][1][-1]) for place in seen],
        "colour": [colours[place] for place in seen],
    }
    scored = paths if record.measure == "bits_per_byte" else []
    return Content(
        x,
        y,
        {
            "curves": {
                "xs": [path[0] for path in paths],
                "ys": [path[1] for path in paths],
                "colour": colours,
                "dash": dashes,
                "label": labels,
            },
            "scores": {
                "x": np.concatenate([path[0] for path in scored]) if scored else [],
                "y": np.concatenate([path[1] for path in scored]) if scored else [],
                "colour": [colours[at] for at, path in enumerate(scored) for _ in path[0]],
                "marker": [markers[at] for at, path in enumerate(scored) for _ in path[0]],
            },
            "ends": ends | {"marker": [markers[place] for place in seen]},
            "names": ends
            | {
                "x": [across.high] * len(seen),
                "y": label_heights(ends["y"], y),
                "text": [f"{labels[at]}  {paths[at][1][-1]:.3f}" for at in seen],
            },
            "levels": {
                "x0": [x.low] * len(levels),
                "x1": [x.high] * len(levels),
                "y": levels,
                "label": [name for name, _ in record.levels],
            },
        },
    )


def _path(curve: Curve, record: LearningCurves) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    xs = curve.tokens if record.against == "tokens" else curve.seconds
    ys = curve.loss if record.measure == "loss" else curve.bits_per_byte
    known = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = np.asarray(xs, float)[known], np.asarray(ys, float)[known]
    if xs.size > _MOST_POINTS:
        # Mean of equal groups: a plain stride would show chance.
        groups = np.array_split(np.arange(xs.size), _MOST_POINTS)
        ends = [group[-1] for group in groups]
        ys = np.array([ys[group].mean() for group in groups])
        xs = xs[ends]
    return xs, ys


def _measure_axis(
    record: LearningCurves, values: list[NDArray[np.float64]], levels: list[float]
) -> Axis:
    """Return an axis that gives the late, small differences room: the first fall is cut off."""
    label, unit = {
        "loss": ("training loss (nats a token)", ""),
        "bits_per_byte": ("bits per byte, held-out", ""),
    }[record.measure]
    shown = [each[max(0, each.size // 20) :] for each in values]
    return fitted_axis(label, unit, [*shown, levels])
