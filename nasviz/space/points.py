"""From points of a space (a column for each dimension) to candidates, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.conditional import canonical
from nasviz.space.dimensions import Dimension, Real
from nasviz.space.ff_ratio import FF_RATIO, d_ff_of, ratio_on_grid
from nasviz.space.options.registry import OPTION_FIELDS
from nasviz.space.table import CandidateTable, decode_value, encode_column

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

OPTION_NAMES = frozenset(field.name for field in OPTION_FIELDS)

# A column for each dimension, by name: shape (n,), values as tables store them.
Points = dict[str, NDArray[Any]]


def table_of(space: SearchSpace, points: Points, n: int) -> CandidateTable:
    """Return the candidates at `points`; columns of other fields come from the space's base.

    Dimensions that `points` leaves out stand at their first value: good enough for rules that
    don't read them.
    """
    return CandidateTable.from_columns(
        {
            name: column
            for name, column in columns_of(space, points).items()
            if name != FF_RATIO.name
        },
        length=n,
    )


def columns_of(space: SearchSpace, points: Points) -> Points:
    """Return the columns that the base and the dimensions set, `ff_ratio` among them."""
    columns: Points = dict(space.base_columns)
    for dimension in space.dimensions:
        columns[dimension.name] = points.get(dimension.name, first_value(dimension))
    if FF_RATIO.name in columns:
        columns["d_ff"] = d_ff_of(columns[FF_RATIO.name], columns["d_model"])
    return columns


def first_value(dimension: Dimension) -> NDArray[Any]:
    """Return the dimension's first value, shape `(1,)`."""
    if isinstance(dimension, Real):
        return np.array([dimension.low])
    return dimension.grid[:1]


def points_of(space: SearchSpace, table: CandidateTable) -> Points:
    """Return the point of each row: the nearest value of each dimension, columns of shape `(n,)`.

    Raises `InputError` where the table lacks a training setting that the space searches, or holds
    a choice that the space doesn't have.
    """
    columns = {each.name: _column(each, table) for each in space.dimensions}
    columns = canonical(space, columns)
    return {each.name: _nearest(each, columns[each.name]) for each in space.dimensions}


def _column(dimension: Dimension, table: CandidateTable) -> NDArray[Any]:
    if dimension.name in OPTION_NAMES and dimension.name not in table.columns:
        off = encode_column(dimension.field, dimension.field.default)
        return np.repeat(off, len(table))
    if dimension.name != FF_RATIO.name:
        return np.ascontiguousarray(table[dimension.name])
    if dimension.grid is None:
        return np.asarray(table["d_ff"] / table["d_model"])
    return ratio_on_grid(table["d_ff"], table["d_model"], dimension.grid)


def _nearest(dimension: Dimension, column: NDArray[Any]) -> NDArray[Any]:
    grid = dimension.grid
    if isinstance(dimension, Real) and grid is None:
        return np.asarray(np.clip(column, dimension.low, dimension.high))
    assert grid is not None  # only real ranges have none
    if dimension.field.kind in ("choice", "switch"):
        for value in np.setdiff1d(column, grid):
            shown = decode_value(dimension.field, value)
            raise InputError(f"{dimension.name}: this space has no {shown!r}")
        return column
    nearest: NDArray[Any] = grid[index_of(dimension, column)]
    return nearest


def index_of(dimension: Dimension, column: NDArray[Any]) -> NDArray[np.int64]:
    """Return the place in the dimension's grid of the value nearest to each of `column`, `(n,)`."""
    grid = dimension.grid
    assert grid is not None
    order = np.argsort(grid, kind="stable")
    ordered = grid[order].astype(np.float64)
    column = column.astype(np.float64)
    above = np.clip(np.searchsorted(ordered, column), 0, len(ordered) - 1)
    below = np.maximum(above - 1, 0)
    nearer = np.where(column - ordered[below] < ordered[above] - column, below, above)
    return np.asarray(order[nearer], dtype=np.int64)


def constraint_columns(space: SearchSpace, points: Points, n: int) -> Points:
    """Return every column that a constraint may read, for these points."""
    columns: Points = dict(table_of(space, points, n).columns)
    given = columns_of(space, points)
    # As they were drawn: a table has the defaults of an option that is off.
    drawn = [name for name in given if name in OPTION_NAMES or name == FF_RATIO.name]
    return columns | {name: given[name] for name in drawn}


def sources(space: SearchSpace, column: str) -> frozenset[str]:
    """Return the names of the dimensions that a column follows from."""
    if column in space.names:
        return frozenset([column])
    if column in space.base:
        return frozenset()
    derived = {"n_kv_heads": ("n_heads",), "head_dim": ("d_model", "n_heads")}
    derived["d_ff"] = (FF_RATIO.name if space.has_ff_ratio else "mlp", "d_model")
    parts = [sources(space, part) for part in derived.get(column, ())]
    return frozenset().union(*parts)
