"""The map as a still picture: in a notebook that has no kernel, and as a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.axis import Axis
from nasviz.plots.density import count_cells, grid_over
from nasviz.plots.pens import Pen, PngPen, SvgPen
from nasviz.plots.still_legend import ROW, draw_legend, legend_rows
from nasviz.plots.still_signs import CHARACTER, diamond, draw_arrow, draw_dashes
from nasviz.plots.theme import BLUE, GOLD, GREEN, INK, LINE, PAGE, SOFT, VERMILLION

_CELL = 4.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 16.0, 12.0, 57.0
_FEW, _MANY = np.array([0, 114, 178, 33]), np.array([0, 68, 122, 235])
_CLEAR = 9.0  # between a point and the end of what ties it to another
_SHORTEST = 4.0  # of a tie: nearer points lie on each other


@dataclass(frozen=True)
class StillMark:
    """A named point: "trained", "waiting" or "landmark"; `low` and `high` where known.

    `ringed` points run under an inference policy.
    """

    kind: str
    label: str
    x: float
    y: float
    low: float = math.nan
    high: float = math.nan
    ringed: bool = False


@dataclass(frozen=True)
class StillTie:
    """What joins two points: "pruned" from a parent to its child, "twin" from that to its rival."""

    kind: str
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True, eq=False)
class MapStill:
    """What the picture shows, in the data's own numbers.

    `xs`, `ys` (n,) are the candidates that pass the filters, `front` the rows of their front in
    order; `ties` join marks, `selected` are points to ring, `note` is the line below the legend.
    """

    x: Axis
    y: Axis
    xs: NDArray[np.float64]
    ys: NDArray[np.float64]
    front: NDArray[np.int64]
    marks: tuple[StillMark, ...] = ()
    ties: tuple[StillTie, ...] = ()
    selected: tuple[tuple[float, float], ...] = ()
    note: str = ""


def draw_map_still(record: MapStill, width: int = 800, height: int = 520) -> str:
    """Return the picture as SVG text that needs nothing else; foreign labels are escaped."""
    pen = SvgPen(width, height, f"map of candidates: {record.x.label} against {record.y.label}")
    _Picture(record, width, height, pen).draw()
    return pen.svg()


def draw_map_png(record: MapStill, width: int = 1000, height: int = 640) -> bytes:
    """Return the same picture as a PNG file, of twice as many pixels either way."""
    pen = PngPen(width, height)
    _Picture(record, width, height, pen).draw()
    return pen.png()


class _Picture:
    """Places on the picture, and its parts as strokes of a pen."""

    def __init__(self, record: MapStill, width: int, height: int, pen: Pen) -> None:
        self.record = record
        self.pen = pen
        self.left, self.right = _LEFT, width - _RIGHT
        self.rows = legend_rows(_signs(record), self.right - self.left)
        self.top, self.bottom = _TOP, height - _BOTTOM - ROW * len(self.rows)
        self.x_ends = _ends(record.x)
        self.y_ends = _ends(record.y)

    def draw(self) -> None:
        self.axes()
        self.pen.clip((self.left, self.top, self.right, self.bottom))
        self.cloud()
        self.front()
        self.ties()
        self.pen.clip(None)
        self.landmarks()
        self.marks()
        self.legend()

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

    def axes(self) -> None:
        for value, label in self.record.x.ticks(7).items():
            at = self.across(value)
            self.pen.line([(at, self.top), (at, self.bottom)], LINE)
            self.pen.text((at, self.bottom + 17), label, SOFT, "middle")
        for value, label in self.record.y.ticks(6).items():
            at = self.down(value)
            self.pen.line([(self.left, at), (self.right, at)], LINE)
            self.pen.text((self.left - 7, at + 4), label, SOFT, "end")
        middle = (self.left + self.right) / 2
        self.pen.text((middle, self.bottom + 35), self.record.x.label, SOFT, "middle")
        centre = (self.top + self.bottom) / 2
        self.pen.text((14, centre), self.record.y.label, SOFT, "middle", turned=True)

    def cloud(self) -> None:
        nx = round((self.right - self.left) / _CELL)
        ny = round((self.bottom - self.top) / _CELL)
        grid = grid_over(self.x_ends, self.y_ends, nx, ny)
        xs = _positions(self.record.xs, self.record.x)
        ys = _positions(self.record.ys, self.record.y)
        per_x = (self.right - self.left) / (self.x_ends[1] - self.x_ends[0])
        per_y = (self.bottom - self.top) / (self.y_ends[1] - self.y_ends[0])
        left = self.left + (grid.x0 - self.x_ends[0]) * per_x
        top = self.bottom - (grid.y0 + grid.ny * grid.height - self.y_ends[0]) * per_y
        right, bottom = left + grid.nx * grid.width * per_x, top + grid.ny * grid.height * per_y
        pixels = density_pixels(count_cells(xs, ys, grid))
        self.pen.image(pixels, (left, top, right, bottom))

    def front(self) -> None:
        places = [
            (self.across(float(self.record.xs[row])), self.down(float(self.record.ys[row])))
            for row in self.record.front
        ]
        if len(places) > 1:
            self.pen.line(places, BLUE, 1.8)

    def marks(self) -> None:
        for mark, x, y in self.seen("trained", "waiting"):
            if math.isfinite(mark.low + mark.high):
                self.pen.line([(x, self.down(mark.low)), (x, self.down(mark.high))], VERMILLION)
            fill, edge = (VERMILLION, PAGE) if mark.kind == "trained" else (PAGE, VERMILLION)
            self.pen.circle((x, y), 5, fill, edge, 1.3)
            if mark.ringed:
                self.pen.circle((x, y), 7.5, None, GREEN, 1.6)
        for x_value, y_value in self.record.selected:
            x, y = self.across(x_value), self.down(y_value)
            if math.isfinite(x + y) and self.holds(x, y):
                self.pen.circle((x, y), 8.5, None, INK, 2.2)

    def landmarks(self) -> None:
        """Draw diamonds, with names where no other diamond or name is in the way."""
        seen = list(self.seen("landmark"))
        taken = [(x - 7, x + 7, y) for _, x, y in seen]
        for mark, x, y in seen:
            self.pen.area(diamond((x, y), 6), GOLD, PAGE)
            start, end = x + 8, x + 12 + len(mark.label) * CHARACTER
            crossed = [each for each in taken if abs(y - each[2]) < 14]
            if end < self.right and all(start > each[1] or end < each[0] for each in crossed):
                taken.append((start, end, y))
                self.pen.text((x + 9, y + 4), mark.label, GOLD)

    def seen(self, *kinds: str) -> Iterator[tuple[StillMark, float, float]]:
        for mark in self.record.marks:
            x, y = self.across(mark.x), self.down(mark.y)
            if mark.kind in kinds and math.isfinite(x + y) and self.holds(x, y):
                yield mark, x, y

    def ties(self) -> None:
        """Draw what was made of what, from beside one point to beside the other."""
        for tie in self.record.ties:
            (x0, y0), (x1, y1) = ((self.across(x), self.down(y)) for x, y in (tie.start, tie.end))
            length = math.hypot(x1 - x0, y1 - y0)
            if not math.isfinite(length) or length < _SHORTEST:
                continue
            share = min(_CLEAR / length, 1 / 3)
            across, down = share * (x1 - x0), share * (y1 - y0)
            draw = draw_arrow if tie.kind == "pruned" else draw_dashes
            draw(self.pen, (x0 + across, y0 + down), (x1 - across, y1 - down))

    def legend(self) -> None:
        draw_legend(self.pen, self.rows, (self.left, self.bottom + 55))
        line = self.bottom + 55 + ROW * len(self.rows) - 1
        self.pen.text((self.left, line), self.record.note, SOFT)


def _signs(record: MapStill) -> list[str]:
    """Return what the legend explains."""
    ringed = any(mark.ringed for mark in record.marks)
    kinds = [*(each.kind for each in record.marks), *(each.kind for each in record.ties)]
    return ["few", "front", *kinds, *(["ring"] if ringed else [])]


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
