"""Solving for sizes: which width (or depth, or both) gives so many weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nasviz.errors import InputError
from nasviz.space.constraints import (
    PARAMETERS,
    Cost,
    Mask,
    ParameterTarget,
    cost_column,
    needed,
)
from nasviz.space.factors import CHUNK, reads
from nasviz.space.fields import FIELDS
from nasviz.space.points import Points, constraint_columns
from nasviz.space.table import CandidateTable

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

MAX_COMBINATIONS = 65_536


def solve(
    space: SearchSpace, target: ParameterTarget, points: Points, n: int, cost: Cost | None
) -> tuple[Points, Mask]:
    """Return the points with the target's dimensions solved, and where that worked, shape `(n,)`.

    Each point gets the feasible combination of the solved dimensions whose number of weights is
    nearest to the target; it worked where that lies within the target's tolerance. All
    combinations are tried: the count is not monotone along a grid with holes.
    """
    cost = needed(space.cost_names, cost)
    combinations, k = _combinations(space, target)
    others = {name: column for name, column in points.items() if name not in combinations}
    solved = {name: np.empty(n, dtype=column.dtype) for name, column in combinations.items()}
    worked = np.zeros(n, dtype=bool)
    rules = [rule for rule in space.rules if reads(space, rule) & set(target.solve_for)]
    rows = max(1, CHUNK // k)
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        m = stop - start
        tried = {name: np.repeat(column[start:stop], k) for name, column in others.items()}
        tried |= {name: np.tile(column, m) for name, column in combinations.items()}
        columns = constraint_columns(space, tried, m * k)
        table = CandidateTable({name: columns[name] for name in FIELDS if name in columns}, m * k)
        fits = np.ones(m * k, dtype=bool)
        for rule in rules:
            fits &= rule.mask(columns)
        counts = cost_column(cost(table), PARAMETERS)
        miss = np.broadcast_to(np.abs(counts / target.parameters - 1), (m * k,))
        miss = np.where(fits, miss, np.inf).reshape(m, k)
        best = np.argmin(miss, axis=1)  # (m,)
        worked[start:stop] = miss[np.arange(m), best] <= target.tolerance
        for name, column in combinations.items():
            solved[name][start:stop] = column[best]
    return others | solved, worked


def _combinations(space: SearchSpace, target: ParameterTarget) -> tuple[Points, int]:
    grids = {}
    for name in target.solve_for:
        grid = space.dimension(name).grid
        if grid is None:
            raise InputError(f"target: {name} is continuous; give it a step to solve for it")
        grids[name] = grid
    k = math.prod(len(grid) for grid in grids.values())
    if k > MAX_COMBINATIONS:
        raise InputError(
            f"target: {' and '.join(grids)} have {k:,} combinations to solve for; at most "
            f"{MAX_COMBINATIONS:,}: give them wider steps"
        )
    mesh = np.meshgrid(*grids.values(), indexing="ij")
    return {name: column.ravel() for name, column in zip(grids, mesh, strict=True)}, k
