"""`ff_ratio`: the feed-forward size said as a multiple of the embedding size.

A space that ranges over both `d_model` and `d_ff` holds mostly odd shapes; over `d_model` and the
ratio it holds sensible ones. Tables and architectures know `d_ff` only: the ratio is a dimension
of spaces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.space.field import Field
from nasviz.space.fields import field_named

MULTIPLE = 8

FF_RATIO = Field(
    "ff_ratio",
    "Feed-forward ratio",
    "real",
    "Feed-forward size as a multiple of the embedding size (rounded to a multiple of 8).",
    "Vaswani et al. 2017, arXiv:1706.03762; Kaplan et al. 2020 (figure 5), arXiv:2001.08361",
    0.01,
    64.0,
)


def space_field(name: str) -> Field:
    """Return the catalogue's field, or `ff_ratio`; raises `InputError` with the nearest name."""
    return FF_RATIO if name == FF_RATIO.name else field_named(name)


def d_ff_of(ratio: Any, d_model: Any) -> NDArray[np.int64]:
    """Return ratio × `d_model`, rounded to a multiple of 8 and at least 8; arrays broadcast."""
    rounded = MULTIPLE * np.rint(np.asarray(ratio) * np.asarray(d_model) / MULTIPLE)
    sizes: NDArray[np.int64] = np.maximum(rounded, MULTIPLE).astype(np.int64)
    return sizes


def ratio_on_grid(
    d_ff: NDArray[Any], d_model: NDArray[Any], grid: NDArray[Any]
) -> NDArray[np.float64]:
    """Return for each row the value of `grid`, shape `(k,)`, whose `d_ff` is nearest; shape `(n,)`.

    Rounding makes the plain quotient miss the grid, so every grid value is tried.
    """
    d_ff, d_model = np.broadcast_arrays(np.atleast_1d(d_ff), np.atleast_1d(d_model))
    distance = np.abs(d_ff_of(grid, d_model[:, None]) - d_ff[:, None])  # (n, k)
    nearest: NDArray[np.float64] = grid[np.argmin(distance, axis=1)]  # (n,)
    return nearest
