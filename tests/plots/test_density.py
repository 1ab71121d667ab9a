"""Density: every point in its one cell, and the page's twin finds the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nasviz.plots.density import count_cells, grid_over
from nasviz.plots.map_still import density_pixels
from nasviz.plots.png import png_bytes


@given(
    st.tuples(st.floats(-5, 5), st.floats(0.01, 10)),
    st.tuples(st.floats(-5, 5), st.floats(0.01, 10)),
    st.tuples(st.integers(3, 61), st.integers(3, 61)),
)
def test_a_grid_covers_its_view(
    x: tuple[float, float], y: tuple[float, float], cells: tuple[int, int]
) -> None:
    (x0, wide), (y0, high) = x, y
    grid = grid_over((x0, x0 + wide), (y0, y0 + high), *cells)
    assert grid.x0 <= x0 + 1e-9
    assert grid.x0 + grid.nx * grid.width >= x0 + wide - 1e-9
    assert grid.y0 + grid.ny * grid.height >= y0 + high - 1e-9
    assert cells[0] <= grid.nx <= cells[0] + 2


def test_points_in_sight_are_counted_once_and_others_not_at_all() -> None:
    random = np.random.default_rng(11)
    x, y = random.normal(size=(2, 20_011))
    grid = grid_over((-1.0, 1.0), (-2.0, 2.0), 31, 17)
    counts = count_cells(x, y, grid)
    assert counts.shape == (grid.ny, grid.nx)
    right, top = grid.x0 + grid.nx * grid.width, grid.y0 + grid.ny * grid.height
    inside = (x >= grid.x0) & (x < right) & (y >= grid.y0) & (y < top)
    assert counts.sum() == inside.sum()


def test_what_is_not_a_number_lies_in_no_cell() -> None:
    grid = grid_over((0.0, 1.0), (0.0, 1.0), 7, 5)
    assert count_cells([np.nan, np.inf, 0.5], [0.5, 0.5, np.nan], grid).sum() == 0


def test_pixels_stand_upright_and_empty_cells_are_clear() -> None:
    counts = np.zeros((3, 5), np.int32)
    counts[0, 1] = 9  # the lowest row
    pixels = density_pixels(counts)
    assert pixels.shape == (3, 5, 4)
    assert pixels[2, 1, 3] > 0
    assert pixels[..., 3].astype(bool).sum() == 1


def test_a_png_file_can_be_read_back(tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(5).integers(0, 256, (7, 11, 4)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(png_bytes(pixels))
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), pixels)
