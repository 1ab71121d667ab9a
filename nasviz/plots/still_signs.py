"""Signs of a still picture of the map, drawn where they stand and in its legend."""

from __future__ import annotations

from nasviz.plots.pens import Pen, Place
from nasviz.plots.theme import INK

CHARACTER = 6.6  # a generous width of one at 12 px


def diamond(place: Place, reach: float) -> list[Place]:
    """Return the corners of the sign of a known model."""
    x, y = place
    return [(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)]


def draw_arrow(pen: Pen, start: Place, end: Place) -> None:
    """Draw a line with a head at its end."""
    along, side = _directions(start, end)
    pen.line([start, _moved(end, along, -4.0)], INK, 1.6)
    back = _moved(end, along, -8.0)
    pen.area([end, _moved(back, side, 4.0), _moved(back, side, -4.0)], INK)


def draw_dashes(pen: Pen, start: Place, end: Place) -> None:
    """Draw a dashed line."""
    along, _ = _directions(start, end)
    length = abs(complex(end[0] - start[0], end[1] - start[1]))
    at = 0.0
    while at < length:
        pen.line([_moved(start, along, at), _moved(start, along, min(length, at + 5.0))], INK, 1.6)
        at += 9.0


def _directions(start: Place, end: Place) -> tuple[Place, Place]:
    """Return the unit vectors along a line and across it."""
    step = complex(end[0] - start[0], end[1] - start[1])
    step /= abs(step)
    return (step.real, step.imag), (-step.imag, step.real)


def _moved(place: Place, direction: Place, reach: float) -> Place:
    return place[0] + reach * direction[0], place[1] + reach * direction[1]
