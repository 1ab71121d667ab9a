"""The map as a still picture (SVG): what is left of it in a notebook that has no kernel."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.axis import Axis
from nasviz.plots.density import count_cells, grid_over
from nasviz.plots.png import png_bytes
from nasviz.plots.theme import BLUE, GOLD, INK, LINE, SOFT, VERMILLION

_CELL = 4.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 16.0, 12.0, 74.0
_FONT = "system-ui, 'DejaVu Sans', sans-serif"
_FEW, _MANY = np.array([0, 114, 178, 33]), np.array([0, 68, 122, 235])
_CHARACTER = 6.6  # a generous width of one at 12 px


@dataclass(frozen=True)
class StillMark:
    """A named point: "trained", "waiting" or "landmark"; `low` and `high` where known."""

    kind: str
    label: str
    x: float
    y: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, eq=False)
class MapStill:
    """What the picture shows, in the data's own numbers.

    `xs`, `ys` (n,) are the candidates that pass the filters, `front` the rows of their front in
    order; `selected` are points to ring, `note` is the line below the legend.
    """

    x: Axis
    y: Axis
    xs: NDArray[np.float64]
    ys: NDArray[np.float64]
    front: NDArray[np.int64]
    marks: tuple[StillMark, ...] = ()
    selected: tuple[tuple[float, float], ...] = ()
    note: str = ""


def draw_map_still(record: MapStill, width: int = 800, height: int = 520) -> str:
    """Return the picture as SVG text that needs nothing else; foreign labels are escaped."""
    canvas = _Canvas(record, width, height)
    parts = [
        *canvas.axes(),
        canvas.cloud(),
        *canvas.front(),
        *canvas.landmarks(),
        *canvas.marks(),
        *canvas.legend(),
    ]
    label = escape(f"map of candidates: {record.x.label} against {record.y.label}", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{label}" font-family="{_FONT}" font-size="12">'
        f'<rect width="{width}" height="{height}" rx="4" fill="#fff"/>{"".join(parts)}</svg>'
    )


class _Canvas:
    """Places on the picture, and its parts as SVG."""

    def __init__(self, record: MapStill, width: int, height: int) -> None:
        self.record = record
        self.left, self.right = _LEFT, width - _RIGHT
        self.top, self.bottom = _TOP, height - _BOTTOM
        self.x_ends = _ends(record.x)
        self.y_ends = _ends(record.y)

    def across(self, value: float) -> float:
        low, high = self.x_ends
        place = _position(value, self.record.x)
        return self.left + (place - low) / (high - low) * (self.right - self.left)

    def down(self, value: float) -> float:
        low, high = self.y_ends
        place = _position(value, self.record.y)
        return self.bottom - (place - low) / (high - low) * (self.bottom - self.top)

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def axes(self) -> Iterator[str]:
        for value, label in self.record.x.ticks(7).items():
            at = self.across(value)
            yield _line(at, self.top, at, self.bottom, LINE)
            yield _text(at, self.bottom + 17, label, SOFT, anchor="middle")
        for value, label in self.record.y.ticks(6).items():
            at = self.down(value)
            yield _line(self.left, at, self.right, at, LINE)
            yield _text(self.left - 7, at + 4, label, SOFT, anchor="end")
        middle = (self.left + self.right) / 2
        yield _text(middle, self.bottom + 35, self.record.x.label, SOFT, anchor="middle")
        centre = (self.top + self.bottom) / 2
        turned = f'transform="translate(14 {centre:.1f}) rotate(-90)"'
        yield _text(0, 0, self.record.y.label, SOFT, anchor="middle", more=turned)

    def cloud(self) -> str:
        nx = round((self.right - self.left) / _CELL)
        ny = round((self.bottom - self.top) / _CELL)
        grid = grid_over(self.x_ends, self.y_ends, nx, ny)
        xs = _positions(self.record.xs, self.record.x)
        ys = _positions(self.record.ys, self.record.y)
        image = png_bytes(density_pixels(count_cells(xs, ys, grid)))
        per_x = (self.right - self.left) / (self.x_ends[1] - self.x_ends[0])
        per_y = (self.bottom - self.top) / (self.y_ends[1] - self.y_ends[0])
        left = self.left + (grid.x0 - self.x_ends[0]) * per_x
        high = grid.y0 + grid.ny * grid.height
        top = self.bottom - (high - self.y_ends[0]) * per_y
        data = base64.b64encode(image).decode("ascii")
        return (
            f'<clipPath id="nv-still"><rect x="{self.left}" y="{self.top}" '
            f'width="{self.right - self.left}" height="{self.bottom - self.top}"/></clipPath>'
            f'<image clip-path="url(#nv-still)" x="{left:.2f}" y="{top:.2f}" '
            f'width="{grid.nx * grid.width * per_x:.2f}" '
            f'height="{grid.ny * grid.height * per_y:.2f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
        )

    def front(self) -> Iterator[str]:
        places = [
            (self.across(float(self.record.xs[row])), self.down(float(self.record.ys[row])))
            for row in self.record.front
        ]
        if len(places) > 1:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            yield (
                f'<path clip-path="url(#nv-still)" d="M{path}" fill="none" stroke="{BLUE}" '
                'stroke-width="1.8"/>'
            )

    def marks(self) -> Iterator[str]:
        for mark, x, y in self.seen("trained", "waiting"):
            if math.isfinite(mark.low + mark.high):
                yield _line(x, self.down(mark.low), x, self.down(mark.high), VERMILLION)
            fill, edge = (VERMILLION, "#fff") if mark.kind == "trained" else ("#fff", VERMILLION)
            yield _circle(x, y, 5, fill=fill, edge=edge, line=1.3)
        for x_value, y_value in self.record.selected:
            x, y = self.across(x_value), self.down(y_value)
            if math.isfinite(x + y) and self.holds(x, y):
                yield _circle(x, y, 8.5, fill="none", edge=INK, line=2.2)

    def landmarks(self) -> Iterator[str]:
        """Yield diamonds, with names where no other diamond or name is in the way."""
        seen = list(self.seen("landmark"))
        taken = [(x - 7, x + 7, y) for _, x, y in seen]
        for mark, x, y in seen:
            yield f'<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z" fill="{GOLD}" stroke="#fff"/>'
            start, end = x + 8, x + 12 + len(mark.label) * _CHARACTER
            crossed = [each for each in taken if abs(y - each[2]) < 14]
            if end < self.right and all(start > each[1] or end < each[0] for each in crossed):
                taken.append((start, end, y))
                yield _text(x + 9, y + 4, mark.label, GOLD)

    def seen(self, *kinds: str) -> Iterator[tuple[StillMark, float, float]]:
        for mark in self.record.marks:
            x, y = self.across(mark.x), self.down(mark.y)
            if mark.kind in kinds and math.isfinite(x + y) and self.holds(x, y):
                yield mark, x, y

    def legend(self) -> Iterator[str]:
        at, line = self.left, self.bottom + 55
        kinds = {mark.kind for mark in self.record.marks}
        items = [("few", "candidates: the darker, the more"), ("front", "front, predicted")]
        names = {"trained": "trained", "waiting": "in training", "landmark": "known model"}
        items += [(kind, name) for kind, name in names.items() if kind in kinds]
        for kind, label in items:
            yield _swatch(kind, at + 6, line - 4)
            yield _text(at + 18, line, label, SOFT)
            at += 34 + len(label) * _CHARACTER
        yield _text(self.left, line + 15, self.record.note, SOFT, more='font-size="11"')


def density_pixels(counts: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return counts (ny, nx), lowest row first, as pixels (ny, nx, 4), topmost row first."""
    most = max(8, int(counts.max(initial=0)))
    share = (np.log1p(counts) / np.log1p(most))[::-1, :, None]
    pixels: NDArray[np.float64] = np.rint(_FEW + (_MANY - _FEW) * share)
    pixels[counts[::-1] == 0] = 0
    return pixels.astype(np.uint8)


def _ends(axis: Axis) -> tuple[float, float]:
    return (math.log10(axis.low), math.log10(axis.high)) if axis.log else (axis.low, axis.high)


def _position(value: float, axis: Axis) -> float:
    if not axis.log:
        return value
    return math.log10(value) if value > 0 else math.nan


def _positions(values: NDArray[np.float64], axis: Axis) -> NDArray[np.float64]:
    if not axis.log:
        return values
    return np.log10(np.where(values > 0, values, np.nan))


def _line(x0: float, y0: float, x1: float, y1: float, colour: str) -> str:
    return f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="{colour}"/>'


def _circle(x: float, y: float, radius: float, *, fill: str, edge: str, line: float) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{edge}" '
        f'stroke-width="{line}"/>'
    )


def _text(
    x: float, y: float, text: str, colour: str, *, anchor: str = "start", more: str = ""
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" {more}>'
        f"{escape(text)}</text>"
    )


def _swatch(kind: str, x: float, y: float) -> str:
    if kind == "few":
        return f'<rect x="{x - 5}" y="{y - 5}" width="10" height="10" fill="#5f9fcb"/>'
    if kind == "front":
        return f'<path d="M{x - 8} {y}h16" stroke="{BLUE}" stroke-width="2"/>'
    if kind == "landmark":
        return f'<path d="M{x} {y - 5}l5 5l-5 5l-5 -5z" fill="{GOLD}"/>'
    fill = VERMILLION if kind == "trained" else "#fff"
    return _circle(x, y, 4.5, fill=fill, edge=VERMILLION, line=1.6)
