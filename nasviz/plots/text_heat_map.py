"""A text whose tokens are coloured by the depth at which they left, as HTML that needs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.units import number
from nasviz.plots.visible_text import visible
from nasviz.quality.exit_trace import ExitTrace

# How much of the depth's colour lies over the page, in percent: ink stays readable on the most.
_PALEST, _DEEPEST = 5, 66
_HINT = "Point at a token, or click it: what each exit would have said, and how sure it was."


@dataclass(frozen=True, eq=False)
class TextHeatMap:
    """n tokens of a text, E exits and the whole model.

    pieces: the tokens' bytes. left: the exit at which each left, (n,), E being the whole model.
    layers: after how many layers each exit stands, the whole model last. said: the bytes of the
    token that each exit would have said, n times E + 1. sure: the criterion's confidence, (n, E).
    first: the number of the first token in its text, for who asks which one was clicked.
    """

    pieces: tuple[bytes, ...]
    left: NDArray[np.intp]
    layers: tuple[int, ...]
    said: tuple[tuple[bytes, ...], ...]
    sure: NDArray[np.float32]
    criterion: str
    first: int = 0


def heat_map_of(
    trace: ExitTrace,
    left: NDArray[np.intp],
    criterion: str,
    piece_of: Callable[[int], bytes],
    rows: range,
) -> TextHeatMap:
    """Return some `rows` of a trace as a heat map, if all its tokens left at exits `left`, (n,).

    `piece_of` returns the bytes of a token's id.
    """
    chosen = slice(rows.start, rows.stop, rows.step)
    return TextHeatMap(
        tuple(map(piece_of, trace.target[chosen].tolist())),
        left[chosen],
        trace.layers,
        tuple(tuple(map(piece_of, row)) for row in trace.likeliest[chosen].tolist()),
        trace.score(criterion)[chosen],
        criterion,
        rows.start,
    )


def draw_text_heat_map(record: TextHeatMap) -> str:
    """Return the text as HTML, everything foreign escaped.

    The tokens are elements with `data-token` (their number in the text) and show, in a place of
    its own beside the text, what each exit would have said: on hover, and for good once clicked.
    A few hundred tokens are a page; each takes about half a kilobyte for eight exits.
    """
    tokens = "".join(_token(record, row) for row in range(len(record.pieces)))
    # The list of exits has its place beside the text, or above it where that is narrow.
    place = f"--exits:{18 * len(record.layers) + 44}px"
    return (
        f'<div class="nasviz-heat"><style>{_css()}</style>{_key(record)}'
        f'<div class="nasviz-heat-body" style="{place}">'
        f'<div class="nasviz-heat-hint">{escape(_HINT)}</div>'
        f'<div class="nasviz-heat-text">{tokens}</div></div></div>'
    )


@cache
def _css() -> str:
    return Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


def _key(record: TextHeatMap) -> str:
    """Return the legend: a swatch an exit, with the share of this text's tokens that left there."""
    counts = np.bincount(record.left, minlength=len(record.layers))
    share = counts / max(len(record.left), 1)
    mean = float(share @ np.asarray(record.layers, float))
    swatches = "".join(
        f'<span><i style="--mix:{depth_mix(at, record.layers)}"></i>{layer} '
        f"<b>{share[at]:.0%}</b></span>"
        for at, layer in enumerate(record.layers)
    )
    return (
        f'<div class="nasviz-heat-key"><span>layers gone through: mean <b>{mean:.2f}</b></span>'
        f"{swatches}<span>confidence: {escape(record.criterion.replace('_', ' '))}</span></div>"
    )


def depth_mix(at: int, layers: tuple[int, ...]) -> str:
    """Return how much of the depth's colour lies over the page at exit `at`: `"28%"`."""
    lowest, highest = layers[0], layers[-1]
    depth = (layers[at] - lowest) / max(highest - lowest, 1)
    return f"{_PALEST + (_DEEPEST - _PALEST) * depth:.0f}%"


def _token(record: TextHeatMap, row: int) -> str:
    at, piece = int(record.left[row]), record.pieces[row]
    said = f"{record.layers[at]} of {record.layers[-1]} layers"
    title = f"<b>{_escaped(piece)} · {said}</b>"
    text = visible(piece)
    # A line that ends inside the element would draw its edge at the next one's beginning.
    line_end = "\n" if text.endswith("\n") else ""
    return (
        f'<span data-token="{record.first + row}" tabindex="-1" '
        f'style="--mix:{depth_mix(at, record.layers)}">{escape(text.removesuffix(line_end))}'
        f'<span role="tooltip">{title}{"".join(_exits(record, row))}</span></span>{line_end}'
    )


def _exits(record: TextHeatMap, row: int) -> Iterator[str]:
    """Yield a line an exit: its layers, what it would have said, how sure; a tick if right."""
    left, piece, whole = int(record.left[row]), record.pieces[row], len(record.layers) - 1
    for at, (layer, word) in enumerate(zip(record.layers, record.said[row], strict=True)):
        kind = ' class="here"' if at == left else ' class="later"' if at > left else ""
        right = " ✓" if word == piece else ""
        sure = f"{number(100 * float(record.sure[row, at]))}%" if at < whole else ""
        yield f"<span{kind}><i>{layer}</i><bdi>{_escaped(word)}{right}</bdi><em>{sure}</em></span>"


def _escaped(piece: bytes) -> str:
    """Return a token for one line."""
    return escape(visible(piece, spaces=True).replace("\n", ""))
