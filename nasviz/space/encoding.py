"""Spaces as unit cubes: each dimension on [0, 1], for surrogates and continuous optimisers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.dimensions import Dimension, Real
from nasviz.space.points import Points, index_of, points_of
from nasviz.space.table import CandidateTable

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace


def encode(space: SearchSpace, table: CandidateTable) -> NDArray[np.float64]:
    """Return the rows of `table` as vectors in [0, 1], shape `(n, dimensions)`.

    A grid's values are spread evenly in their order (so a doubling range is scaled by its
    logarithm), a continuous range linearly or by its logarithm.
    """
    return encode_points(space, points_of(space, table))


def encode_points(space: SearchSpace, points: Points) -> NDArray[np.float64]:
    """Return `points` (values of the space's grids, or near them) as vectors, as `encode` does."""
    return np.stack([_unit(each, points[each.name]) for each in space.dimensions], axis=1)


def decode(space: SearchSpace, vectors: Any) -> CandidateTable:
    """Return the candidates nearest to `vectors`, shape `(n, dimensions)`; inverse of `encode`.

    A vector between feasible ones may decode to an infeasible candidate: see
    `SearchSpace.contains`. Raises `InputError` for a wrong shape, or values that are not in [0, 1].
    """
    units = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    wanted = len(space.dimensions)
    if units.ndim != 2 or units.shape[1] != wanted:
        raise InputError(f"vectors have shape {units.shape}; this space needs (n, {wanted})")
    if not ((units >= 0) & (units <= 1)).all():
        raise InputError("vectors hold values that are not in [0, 1]; scale or clip them")
    points: Points = {
        each.name: _value(each, units[:, place]) for place, each in enumerate(space.dimensions)
    }
    return space.table(points, len(units))


def _unit(dimension: Dimension, column: NDArray[Any]) -> NDArray[np.float64]:
    grid = dimension.grid
    if isinstance(dimension, Real) and grid is None:
        return np.asarray(dimension.scaled(column))
    assert grid is not None  # only real ranges have none
    return np.asarray(index_of(dimension, column) / max(len(grid) - 1, 1))


def _value(dimension: Dimension, units: NDArray[np.float64]) -> NDArray[Any]:
    grid = dimension.grid
    if isinstance(dimension, Real) and grid is None:
        return dimension.unscaled(units)
    assert grid is not None  # only real ranges have none
    return np.asarray(grid[np.rint(units * (len(grid) - 1)).astype(np.int64)])
