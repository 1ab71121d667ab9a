"""Many points as one small image, counts a cell; widgets/js/density.js is its twin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Grid:
    """Cells of `width` × `height` from (x0, y0) upwards: `nx` columns and `ny` rows."""

    x0: float
    y0: float
    width: float
    height: float
    nx: int
    ny: int


def grid_over(x: tuple[float, float], y: tuple[float, float], nx: int, ny: int) -> Grid:
    """Return about `nx` × `ny` cells that cover the view, their edges at multiples of their size.

    So a point stays with its cellmates when the view is moved.
    """
    width, height = (x[1] - x[0]) / nx, (y[1] - y[0]) / ny
    left, bottom = math.floor(x[0] / width), math.floor(y[0] / height)
    columns = math.ceil(x[1] / width) - left
    rows = math.ceil(y[1] / height) - bottom
    return Grid(left * width, bottom * height, width, height, columns, rows)


def count_cells(x: ArrayLike, y: ArrayLike, grid: Grid) -> NDArray[np.int32]:
    """Return how many of the points (n,) lie in each cell, shape (ny, nx), row 0 lowest.

    Positions are float32, as on the page, and cells are found in float64: the same cells.
    """
    across = (np.asarray(x, np.float32).astype(np.float64) - grid.x0) * (1 / grid.width)
    up = (np.asarray(y, np.float32).astype(np.float64) - grid.y0) * (1 / grid.height)
    inside = (across >= 0) & (across < grid.nx) & (up >= 0) & (up < grid.ny)
    cells = up[inside].astype(np.int32) * np.int32(grid.nx) + across[inside].astype(np.int32)
    counts = np.bincount(cells, minlength=grid.nx * grid.ny)
    return counts.astype(np.int32).reshape(grid.ny, grid.nx)
