"""After how many layers tokens leave: a bar an exit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.axis import Axis, Columns, Content, fitted_axis, new_figure
from nasviz.plots.legend_row import add_legend_row, refresh_with_legend
from nasviz.plots.theme import BLUE, GREY, SOFT, VERMILLION

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

_BAR = 0.72  # of the least distance between two exits
_MOST_WRITTEN = 12  # bars that have room for a number each
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ExitHistogram:
    """The share of tokens that left after so many `layers`, the last being the whole model.

    `prior` is what was guessed before the measurement, drawn as outlines; None leaves it out.
    """

    layers: tuple[int, ...]
    shares: tuple[float, ...]
    prior: tuple[float, ...] | None = None


@dataclass(frozen=True)
class LayerAxis(Axis):
    """An axis of layers, with a tick at each exit."""

    layers: tuple[int, ...] = ()

    def ticks(self, wanted: int) -> dict[float, str]:
        """Return a tick for each exit; where that is too many, for some, and the whole model."""
        step = -(-len(self.layers) // (2 * wanted))
        exits = {float(layer): str(layer) for layer in reversed(self.layers[-1 - step :: -step])}
        return exits | {float(self.layers[-1]): f"all {self.layers[-1]}"}


def draw_exit_histogram(record: ExitHistogram) -> Figure:
    """Return the figure of `record`.

    Parts by name: `bars`, `prior` (outlines), `shares` (their numbers), `mean` with `mean_name`.
    Bring it to another record by `refresh_with_legend(figure, exit_histogram_content(record))`.
    """
    from bokeh.models import HoverTool

    drawn = new_figure()
    bars = drawn.vbar(
        "x", width="width", top="share", name="bars", fill_color="colour", line_color=None,
        fill_alpha=0.85,
    )  # fmt: skip
    drawn.vbar(
        "x", width="width", top="share", name="prior", fill_color=None, line_color=GREY,
        line_dash="dashed",
    )  # fmt: skip
    drawn.segment("x", "y0", "x", "y1", name="mean", color=VERMILLION, line_width=2)
    drawn.text(
        "x", "y", "text", name="shares", color=SOFT, text_font_size="11px", text_align="center",
        text_baseline="bottom", y_offset=-2,
    )  # fmt: skip
    drawn.text(
        "x", "y", "text", name="mean_name", color=SOFT, text_font_size="11px", text_align="align",
        text_baseline="bottom", x_offset="offset", y_offset=-2,
    )  # fmt: skip
    drawn.xgrid.visible = False
    drawn.add_tools(HoverTool(renderers=[bars], tooltips=[("", "@label")]))
    add_legend_row(drawn, {"bars": "measured", "prior": "guessed before"})
    refresh_with_legend(drawn, exit_histogram_content(record))
    return drawn


def exit_histogram_content(record: ExitHistogram) -> Content:
    """Return what the figure shows of `record`."""
    layers = np.asarray(record.layers, float)
    shares = np.asarray(record.shares, float)
    guessed = np.asarray(record.prior if record.prior is not None else [], float)
    gap = float(np.diff(layers).min()) if len(layers) > 1 else 1.0
    x = LayerAxis(
        "layers gone through", "", layers[0] - gap * 0.75, layers[-1] + gap * 0.75,
        layers=record.layers,
    )  # fmt: skip
    y = fitted_axis("tokens that left", "%", [shares, guessed], from_zero=True, margin=0.3)
    widths = np.full(len(layers), gap * _BAR)
    mean = float(layers @ shares)
    return Content(
        x,
        y,
        {
            "bars": {
                "x": layers,
                "width": widths,
                "share": shares,
                "colour": [BLUE] * (len(layers) - 1) + [GREY],
                "label": [
                    f"{share:.1%} of the tokens went through {_layers_said(at, record.layers)}"
                    for at, share in enumerate(record.shares)
                ],
            },
            "prior": {
                "x": layers[: len(guessed)],
                "width": widths[: len(guessed)],
                "share": guessed,
            },
            "shares": _written(layers, shares, guessed),
            "mean": {"x": [mean], "y0": [y.high * 0.86], "y1": [y.high]},
            "mean_name": _mean_name(mean, x, y),
        },
    )


def _mean_name(mean: float, x: Axis, y: Axis) -> Columns:
    """Return the mean in words, on that side of its line where there is more room."""
    at_left = mean > (x.low + x.high) / 2
    return {
        "x": [mean],
        "y": [y.high * 0.9],
        "text": [f"mean {mean:.2f}"],
        "align": ["right" if at_left else "left"],
        "offset": [-5 if at_left else 5],
    }


def _written(layers: Floats, shares: Floats, guessed: Floats) -> Columns:
    """Return the numbers on top of the bars and outlines; of many bars, the whole model's alone."""
    tops = np.maximum(shares, guessed) if len(guessed) else shares
    few = len(layers) <= _MOST_WRITTEN
    return {
        "x": layers if few else layers[-1:],
        "y": tops if few else tops[-1:],
        "text": [_short(each) for each in (shares if few else shares[-1:])],
    }


def _layers_said(at: int, layers: tuple[int, ...]) -> str:
    if at == len(layers) - 1:
        return f"all {layers[at]} layers"
    return f"{layers[at]} of {layers[-1]} layers"


def _short(share: float) -> str:
    """Return a share for the top of a bar: nothing where nobody left."""
    if share == 0:
        return ""
    return f"{share:.0%}" if share >= 0.01 else "<1%"
