"""Repair: the feasible points nearest to one that is not, or not new."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from nasviz.space.constraints import Cost
from nasviz.space.dimensions import Dimension
from nasviz.space.encoding import encode_points
from nasviz.space.points import Points
from nasviz.space.sampling import kept_points, sample_points
from nasviz.space.search_space import SearchSpace
from nasviz.strategies import grid

MOST_CHANGES = 2
MOST_POINTS = 20_000
FAR = 512  # candidates drawn from the whole space where nothing near is feasible


def feasible_near(
    space: SearchSpace, point: Points, cost: Cost, seed: int
) -> Iterator[tuple[Points, int]]:
    """Yield feasible points by distance from `point`: `(points, row)`, one dimension changed first.

    Then two, then candidates drawn from the whole space: a repair keeps what was drawn as far as
    it can. Distances are those of places in the dimensions' grids.
    """
    for changes in range(1, MOST_CHANGES + 1):
        yield from _by_distance(
            space, point, *_feasible(space, _changed(space, point, changes), cost)
        )
    yield from _by_distance(space, point, *sample_points(space, FAR, seed, cost))


def _changed(space: SearchSpace, point: Points, changes: int) -> Points:
    """Return the points that differ from `point` in `changes` gridded dimensions."""
    gridded = [each for each in space.dimensions if len(_values(each)) > 1]
    parts: list[Points] = []
    total = 0
    for chosen in combinations(gridded, changes):
        axes = np.meshgrid(*[_values(each) for each in chosen], indexing="ij")
        n = axes[0].size
        total += n
        if total > MOST_POINTS:
            break
        part = {name: np.repeat(column, n) for name, column in point.items()}
        part.update({each.name: axis.ravel() for each, axis in zip(chosen, axes, strict=True)})
        parts.append(part)
    if not parts:
        return {name: column[:0] for name, column in point.items()}
    return {name: np.concatenate([part[name] for part in parts]) for name in point}


def _values(dimension: Dimension) -> Any:
    return np.empty(0) if dimension.grid is None else dimension.grid


def _feasible(space: SearchSpace, points: Points, cost: Cost) -> tuple[Points, int]:
    n = len(next(iter(points.values())))
    if not n:
        return points, 0
    settled, kept = grid.settle(space, points, n, cost)
    rows = np.flatnonzero(kept)
    return kept_points(settled, rows), len(rows)


def _by_distance(
    space: SearchSpace, point: Points, points: Points, n: int
) -> Iterator[tuple[Points, int]]:
    if not n:
        return
    distances = ((encode_points(space, points) - encode_points(space, point)) ** 2).sum(axis=1)
    for row in np.argsort(distances, kind="stable"):
        yield points, int(row)
