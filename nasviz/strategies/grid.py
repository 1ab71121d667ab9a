"""Between a search space's points and the parameters that Optuna's samplers draw.

A dimension with a grid is drawn as the *place* in its grid (so that doublings are evenly spaced and
ordered), a choice of names as a category, a continuous range as it is. Points are one row here:
`{dimension's name: value as tables store it}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from nasviz.space.conditional import canonical
from nasviz.space.constraints import Cost
from nasviz.space.dimensions import Dimension, Real
from nasviz.space.fields import field_named
from nasviz.space.points import Points, constraint_columns, index_of, points_of
from nasviz.space.sampling import Tally, settled
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import CandidateTable, encode_column
from nasviz.strategies.strategy import Proposal


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return what Optuna draws each dimension from."""
    return {each.name: _distribution(each) for each in space.dimensions}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Real) and dimension.grid is None:
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    places = _places(dimension)
    if _is_category(dimension):
        return CategoricalDistribution(tuple(range(places)))
    return IntDistribution(0, places - 1)


def _places(dimension: Dimension) -> int:
    """Return how many values the dimension's grid has; 0 for a continuous range."""
    return 0 if dimension.grid is None else len(dimension.grid)


def _is_category(dimension: Dimension) -> bool:
    return dimension.field.kind in ("choice", "switch")


def point_at(space: SearchSpace, params: Mapping[str, Any]) -> Points:
    """Return the point, columns of shape `(1,)`, that Optuna's parameters name."""
    return {
        each.name: np.atleast_1d(
            params[each.name] if each.grid is None else each.grid[params[each.name]]
        )
        for each in space.dimensions
    }


def params_at(space: SearchSpace, points: Points, row: int) -> dict[str, Any]:
    """Return Optuna's parameters of one row of `points`."""
    return {
        each.name: float(points[each.name][row])
        if each.grid is None
        else int(index_of(each, points[each.name][row : row + 1])[0])
        for each in space.dimensions
    }


def settle(space: SearchSpace, points: Points, n: int, cost: Cost) -> tuple[Points, Any]:
    """Return `n` points, sizes solved for the space's target, and which are feasible, `(n,)`."""
    settled_points, kept = settled(space, canonical(space, points), n, cost, Tally())
    columns = constraint_columns(space, settled_points, n)
    for rule in space.rules:
        kept = kept & np.broadcast_to(rule.mask(columns), (n,))
    return settled_points, kept


def proposal_at(
    space: SearchSpace, points: Points, row: int, memory: Mapping[str, Any]
) -> Proposal:
    """Return the candidate at one row of feasible `points`, with its training settings."""
    one = {name: column[row : row + 1] for name, column in points.items()}
    table = space.table(one, 1)
    return Proposal(table.row(0), table.training_settings(0), memory)


def point_of(space: SearchSpace, proposal: Proposal) -> Points:
    """Return the nearest point of the space to a proposal, columns of shape `(1,)`.

    Raises `InputError` where the proposal has a choice that the space lacks.
    """
    table = CandidateTable.of([proposal.candidate])
    if proposal.settings:
        columns = dict(table.columns)
        for name, value in proposal.settings.items():
            columns[name] = encode_column(field_named(name), value)
        table = CandidateTable(columns, 1)
    return points_of(space, table)
