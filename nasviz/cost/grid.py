"""`Curve` and `Grid`: measured functions of one and of two amounts, as tables of their nodes.

Between nodes a value is linear. Below the first node it is that node's, beyond the last it goes on
with the last slope, but never downwards: more work takes no less time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.sizes import Amount
from nasviz.errors import InputError

Nodes = tuple[float, ...]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Line:
    """A function of one amount through nodes `x` and `y`, both of shape (n,)."""

    x: Floats
    y: Floats

    def at(self, amount: Amount) -> Floats:
        """Return the values at `amount`, in its shape."""
        amount = np.asarray(amount, dtype=np.float64)
        index = _segment(self.x, amount)
        beyond = np.maximum(amount - self.x.take(index), 0.0)
        values: Floats = self.y.take(index) + self._slopes.take(index) * beyond
        return values

    @cached_property
    def _slopes(self) -> Floats:
        return np.diff(self.y) / np.diff(self.x)


@dataclass(frozen=True)
class Curve:
    """A function of one amount: `y` at ascending `x`."""

    x: Nodes
    y: Nodes

    def __post_init__(self) -> None:
        _check_nodes("x", self.x)
        check_numbers("y", self.y, len(self.x))

    def at(self, amount: Amount) -> Amount:
        """Return the value at `amount`, an array of its shape."""
        return self.line.at(amount)

    @cached_property
    def line(self) -> Line:
        """The nodes with one far beyond the last."""
        x, y = np.array(self.x, dtype=np.float64), np.array(self.y, dtype=np.float64)
        return Line(*_extended(x, y))


def added(curves: Sequence[Curve], times: Sequence[float]) -> Line:
    """Return the sum of curves, each taken so many times, as one line: it is read only once."""
    lines = [curve.line for curve in curves]
    x = lines[0].x
    if all(np.array_equal(line.x, x) for line in lines):
        values = [line.y for line in lines]
    else:
        x = np.unique(np.concatenate([line.x for line in lines]))
        values = [line.at(x) for line in lines]
    return Line(x, np.dot(times, values))


@dataclass(frozen=True)
class Grid:
    """A function of two amounts: `values[i][j]` at `rows[i]` and `columns[j]`, both ascending."""

    rows: Nodes
    columns: Nodes
    values: tuple[Nodes, ...]

    def __post_init__(self) -> None:
        _check_nodes("rows", self.rows)
        _check_nodes("columns", self.columns)
        if len(self.values) != len(self.rows):
            raise InputError(f"{len(self.values)} lines of values for {len(self.rows)} rows")
        for line in self.values:
            check_numbers("values", line, len(self.columns))

    def at(self, row: Amount, column: Amount) -> Amount:
        """Return the value at `row` and `column` (arrays broadcast)."""
        rows, columns, values = self._extended
        row, column = np.asarray(row, dtype=np.float64), np.asarray(column, dtype=np.float64)
        if row.size == 1:  # one line for all: most workloads read as many tokens of every candidate
            low, share = _between(rows, row.reshape(()))
            return Line(columns, _blend(values[low], values[low + 1], share)).at(column)
        low, share = _between(rows, row)
        left, part = _between(columns, column)
        corner = low * len(columns) + left
        upper, lower = (
            _blend(values.take(each), values.take(each + 1), part)
            for each in (corner, corner + len(columns))
        )
        return _blend(upper, lower, share)

    @cached_property
    def _extended(self) -> tuple[Floats, Floats, Floats]:
        """The nodes and values (rows, columns) with a far row and a far column added."""
        values = np.array(self.values, dtype=np.float64)
        columns, values = _extended(np.array(self.columns, dtype=np.float64), values)
        rows, across = _extended(np.array(self.rows, dtype=np.float64), values.T)
        return rows, columns, np.ascontiguousarray(across.T)


def check_numbers(name: str, numbers: Nodes, count: int) -> None:
    """Raise `InputError` unless there are `count` finite numbers, none of them negative."""
    if len(numbers) != count:
        raise InputError(f"{name}: {len(numbers)} numbers instead of {count}")
    for number in numbers:
        plain = isinstance(number, int | float) and not isinstance(number, bool)
        if not plain or not math.isfinite(number) or number < 0:
            raise InputError(f"{name}: {number!r} is not a number from 0 on")


def _check_nodes(name: str, nodes: Nodes) -> None:
    check_numbers(name, nodes, max(2, len(nodes)))
    if any(b <= a for a, b in pairwise(nodes)):
        raise InputError(f"{name}={nodes!r} do not ascend")


def _extended(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return nodes (n,) and values (..., n) with a node far beyond, on the last segment's line."""
    far = x[-1] * 1e9
    slope = np.maximum(0.0, (y[..., -1] - y[..., -2]) / (x[-1] - x[-2]))
    beyond = y[..., -1] + slope * (far - x[-1])
    return np.append(x, far), np.concatenate([y, beyond[..., None]], axis=-1)


def _between(nodes: Floats, amount: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the node at or below each amount, and how far it is on the way to the next."""
    index = _segment(nodes, amount)
    share = np.maximum(amount - nodes.take(index), 0.0) / np.diff(nodes).take(index)
    return index, share


def _segment(nodes: Floats, amount: Floats) -> NDArray[np.intp]:
    """Return which of the segments between nodes each amount lies in, the outer ones included.

    Counts the inner nodes at or below it: with the ten or so nodes of a table that is seven times
    faster than a binary search of each amount.
    """
    count = np.zeros(amount.shape, dtype=np.min_scalar_type(len(nodes)))
    for node in nodes[1:-1]:
        count += amount >= node
    return count.astype(np.intp)


def _blend(first: Floats, second: Floats, share: Floats) -> Floats:
    return first + share * (second - first)
