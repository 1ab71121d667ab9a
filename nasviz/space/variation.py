"""Neighbours, mutation and crossover: candidates near given ones, always feasible.

All work on tables, row by row: children are made all at once and the infeasible ones made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.conditional import canonical
from nasviz.space.constraints import Cost, Mask, needed
from nasviz.space.dimensions import Dimension, Real
from nasviz.space.layer_column import rows_with_layers
from nasviz.space.options.registry import OPTIONS
from nasviz.space.points import Points, constraint_columns, index_of, points_of, table_of
from nasviz.space.sampling import kept_points, sample_points
from nasviz.space.table import CandidateTable
from nasviz.space.target import solve

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

# A continuous range has no next value: a neighbour is this share of the range away, and a mutation
# normally distributed with this deviation.
REAL_STEP = 0.1
ATTEMPTS = 30


def feasible(space: SearchSpace, points: Points, n: int, cost: Cost | None) -> Mask:
    """Return which points obey every constraint, limit and target of the space, shape `(n,)`."""
    alive = np.ones(n, dtype=bool)
    columns = constraint_columns(space, points, n)
    for rule in space.rules:
        alive &= rule.mask(columns)
    if space.limits:
        costs = needed(space.cost_names, cost)(table_of(space, points, n))
        for limit in space.limits:
            alive &= limit.mask(costs)
    if space.target is not None:
        solved, worked = solve(space, space.target, points, n, cost)
        for name in space.target.solve_for:
            worked &= solved[name] == points[name]
        alive &= worked
    return alive


def contains(space: SearchSpace, table: CandidateTable, cost: Cost | None) -> Mask:
    """Return which rows are feasible candidates of the space, shape `(n,)`."""
    points = points_of(space, table)
    rebuilt = table_of(space, points, len(table))
    same = np.ones(len(table), dtype=bool)
    for name, column in rebuilt.columns.items():
        if name not in table.columns:
            continue
        given = table[name]
        # A rounding error is no difference: 0.1 read from a file, 0.1 as a step of a grid.
        near = np.isclose(given, column, rtol=1e-9, atol=0) if given.dtype.kind == "f" else False
        same &= (given == column) | near
    for kind in OPTIONS:
        if kind.NAME in table.columns and kind.NAME not in rebuilt.columns:
            same &= ~table[kind.NAME]
    same[rows_with_layers(table.columns, len(table))] = False  # a space's layers are all alike
    return same & feasible(space, points, len(table), cost)


def neighbours(space: SearchSpace, table: CandidateTable, cost: Cost | None) -> CandidateTable:
    """Return the candidates one step away from the single row of `table`.

    A step moves one dimension to the nearest feasible value above or below, or to any other
    feasible choice of a kind.
    """
    if len(table) != 1:
        raise InputError(f"neighbours are of one candidate, not of {len(table):,}; take a row")
    start = points_of(space, table)
    found = [
        _steps(space, start, dimension, cost)
        for dimension in space.dimensions
        if space.target is None or dimension.name not in space.target.solve_for
    ]
    points = {
        name: np.concatenate([part[name] for part in found] or [column[:0]])
        for name, column in start.items()
    }
    return space.table(points, len(next(iter(points.values()))))


def _steps(space: SearchSpace, start: Points, dimension: Dimension, cost: Cost | None) -> Points:
    values = _other_values(dimension, start[dimension.name])
    n = len(values)
    points = {name: np.repeat(column, n) for name, column in start.items()}
    points[dimension.name] = values
    points = canonical(space, points)
    if space.target is not None:
        points, _ = solve(space, space.target, points, n, cost)
    fits = np.flatnonzero(feasible(space, points, n, cost)) if n else np.empty(0, dtype=np.int64)
    if dimension.field.kind not in ("choice", "switch"):
        order = fits[np.argsort(values[fits], kind="stable")]
        here = np.searchsorted(values[order], start[dimension.name][0])
        fits = order[max(here - 1, 0) : here + 1]
    return kept_points(points, fits)


def _other_values(dimension: Dimension, here: NDArray[Any]) -> NDArray[Any]:
    grid = dimension.grid
    if isinstance(dimension, Real) and grid is None:
        unit = dimension.scaled(here)
        units = np.concatenate([unit - REAL_STEP, unit + REAL_STEP])
        return dimension.unscaled(units[(units >= 0) & (units <= 1)])
    assert grid is not None  # only real ranges have none
    return np.asarray(grid[grid != here[0]])


def mutate(
    space: SearchSpace, table: CandidateTable, seed: int, rate: float | None, cost: Cost | None
) -> CandidateTable:
    """Return one feasible child of each row: some dimensions moved, each with chance `rate`.

    At least one dimension is moved; half of the moves are to the next value of the grid, half to
    any. `rate` None moves one or two dimensions in the mean.
    """
    parents = points_of(space, table)
    count = len(space.dimensions)
    chance = 1 / count if rate is None else rate
    if not 0 < chance <= 1:
        raise InputError(f"rate={rate!r} is no chance; give a number above 0, at most 1")
    generator = np.random.default_rng(seed)

    def attempt(rows: NDArray[np.int64]) -> Points:
        moved = generator.random((len(rows), count)) < chance
        moved[np.arange(len(rows)), generator.integers(count, size=len(rows))] = True
        return {
            each.name: np.where(
                moved[:, place],
                _moved(each, parents[each.name][rows], generator),
                parents[each.name][rows],
            )
            for place, each in enumerate(space.dimensions)
        }

    return _bred(space, parents, attempt, generator, cost)


def _moved(
    dimension: Dimension, column: NDArray[Any], generator: np.random.Generator
) -> NDArray[Any]:
    n, grid = len(column), dimension.grid
    if isinstance(dimension, Real) and grid is None:
        units = dimension.scaled(column) + REAL_STEP * generator.standard_normal(n)
        return dimension.unscaled(np.clip(units, 0, 1))
    assert grid is not None  # only real ranges have none
    here = index_of(dimension, column)
    step = here + generator.choice([-1, 1], size=n)
    # Reflected at the ends, so that a step always moves where there is somewhere to go.
    step = np.where(step < 0, 1, np.where(step >= len(grid), len(grid) - 2, step))
    anywhere = (here + generator.integers(1, max(len(grid), 2), size=n)) % len(grid)
    chosen = np.where(generator.random(n) < 0.5, np.clip(step, 0, len(grid) - 1), anywhere)
    return np.asarray(grid[chosen])


def crossover(
    space: SearchSpace, one: CandidateTable, other: CandidateTable, seed: int, cost: Cost | None
) -> CandidateTable:
    """Return one feasible child a row: each dimension from one parent or the other, evenly."""
    if len(one) != len(other):
        raise InputError(f"crossover pairs rows: {len(one):,} and {len(other):,} don't match")
    parents, mates = points_of(space, one), points_of(space, other)
    generator = np.random.default_rng(seed)

    def attempt(rows: NDArray[np.int64]) -> Points:
        return {
            name: np.where(generator.random(len(rows)) < 0.5, column[rows], mates[name][rows])
            for name, column in parents.items()
        }

    return _bred(space, parents, attempt, generator, cost)


def _bred(
    space: SearchSpace,
    parents: Points,
    attempt: Callable[[NDArray[np.int64]], Points],
    generator: np.random.Generator,
    cost: Cost | None,
) -> CandidateTable:
    """Return feasible children: `attempt` is repeated for the rows where it failed.

    Where all attempts fail, the child is its parent if that is feasible, else a fresh sample.
    """
    n = len(next(iter(parents.values())))
    children = {name: column.copy() for name, column in parents.items()}
    rows = np.arange(n)
    for _ in range(ATTEMPTS):
        if not len(rows):
            break
        rows = _place(space, children, attempt(rows), rows, cost)
    if len(rows):
        rows = _place(space, children, kept_points(parents, rows), rows, cost)
    if len(rows):
        fresh, _ = sample_points(space, len(rows), int(generator.integers(2**31)), cost)
        for name, column in fresh.items():
            children[name][rows] = column
    return space.table(children, n)


def _place(
    space: SearchSpace,
    children: Points,
    tried: Points,
    rows: NDArray[np.int64],
    cost: Cost | None,
) -> NDArray[np.int64]:
    """Put the feasible ones of `tried` into their `rows` of `children`; return the other rows."""
    tried = canonical(space, tried)
    if space.target is not None:
        tried, _ = solve(space, space.target, tried, len(rows), cost)
    fits = feasible(space, tried, len(rows), cost)
    for name, column in tried.items():
        children[name][rows[fits]] = column[fits]
    return rows[~fits]
