"""The legend of a still picture of the map, in as many rows as its width needs."""

from __future__ import annotations

from collections.abc import Sequence

from nasviz.plots.pens import Pen, Place
from nasviz.plots.still_signs import CHARACTER, diamond, draw_arrow, draw_dashes
from nasviz.plots.theme import BLUE, CLOUD, GOLD, GREEN, PAGE, SOFT, VERMILLION

ROW = 17.0  # from one row's baseline to the next
_SWATCH = 18.0
_GAP = 16.0

_NAMES = {
    "few": "candidates: the darker, the more",
    "front": "front, predicted",
    "trained": "trained",
    "ring": "dynamic",
    "pruned": "pruned from",
    "twin": "twin from scratch",
    "waiting": "in training",
    "landmark": "known model",
}


def legend_rows(kinds: Sequence[str], width: float) -> list[list[str]]:
    """Return `kinds` in the legend's order, in rows no wider than `width`, unless one kind is.

    >>> legend_rows(["landmark", "trained", "few"], 300.0)
    [['few'], ['trained', 'landmark']]
    """
    rows: list[list[str]] = []
    left = 0.0
    for kind in (each for each in _NAMES if each in kinds):
        if not rows or _wide(kind) > left:
            rows.append([])
            left = width
        rows[-1].append(kind)
        left -= _wide(kind) + _GAP
    return rows


def draw_legend(pen: Pen, rows: Sequence[Sequence[str]], place: Place) -> None:
    """Draw the rows from `place` on, the left end of the first row's baseline."""
    for number, row in enumerate(rows):
        across, line = place[0], place[1] + number * ROW
        for kind in row:
            _draw_swatch(pen, kind, (across + 6, line - 4))
            pen.text((across + _SWATCH, line), _NAMES[kind], SOFT)
            across += _wide(kind) + _GAP


def _wide(kind: str) -> float:
    return _SWATCH + len(_NAMES[kind]) * CHARACTER


def _draw_swatch(pen: Pen, kind: str, place: Place) -> None:
    x, y = place
    if kind == "few":
        pen.area([(x - 5, y - 5), (x + 5, y - 5), (x + 5, y + 5), (x - 5, y + 5)], CLOUD)
    elif kind == "front":
        pen.line([(x - 8, y), (x + 8, y)], BLUE, 2)
    elif kind == "landmark":
        pen.area(diamond(place, 5), GOLD)
    elif kind == "ring":
        pen.circle(place, 5.5, None, GREEN, 1.6)
    elif kind == "pruned":
        draw_arrow(pen, (x - 8, y), (x + 8, y))
    elif kind == "twin":
        draw_dashes(pen, (x - 8, y), (x + 8, y))
    else:
        pen.circle(place, 4.5, VERMILLION if kind == "trained" else PAGE, VERMILLION, 1.6)
