"""Fronts and volumes, held against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.strategies.pareto import (
    front,
    hypervolume,
    hypervolume_history,
    nondominated,
    reference_point,
)


def _by_definition(values: NDArray[np.float64]) -> list[bool]:
    def beaten(row: NDArray[np.float64]) -> bool:
        return any((other <= row).all() and (other < row).any() for other in values)

    return [not np.isnan(row).any() and not beaten(row) for row in values]


@st.composite
def tables(draw: st.DrawFn) -> NDArray[np.float64]:
    """Small whole numbers, so that ties and equal rows come up, and some NaN."""
    n, m = draw(st.integers(0, 23)), draw(st.integers(1, 4))
    number = st.one_of(st.integers(0, 5).map(float), st.sampled_from([np.nan, np.inf]))
    rows = draw(st.lists(st.lists(number, min_size=m, max_size=m), min_size=n, max_size=n))
    return np.array(rows, dtype=float).reshape(n, m)


@settings(deadline=None)
@given(tables())
def test_nondominated_is_the_definition(values: NDArray[np.float64]) -> None:
    assert nondominated(values).tolist() == _by_definition(values)


def test_ties_on_the_front_are_all_kept() -> None:
    assert nondominated([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0], [2.0, 1.0]]).tolist() == [
        True,
        True,
        False,
        True,
    ]


def test_infinite_rows_may_be_on_the_front() -> None:
    assert nondominated([[np.inf, 0.0], [0.0, np.inf], [np.inf, 1.0]]).tolist() == [
        True,
        True,
        False,
    ]


def test_the_front_of_nothing_is_nothing() -> None:
    empty = np.empty((0, 2))
    assert nondominated(empty).tolist() == []
    assert front(empty).tolist() == []
    assert hypervolume(empty, [1.0, 1.0]) == 0.0
    assert hypervolume_history(empty, [1.0, 1.0]).tolist() == []


def test_the_front_is_ordered_by_its_first_value() -> None:
    assert front([[3.0, 1.0], [2.0, 5.0], [1.0, 3.0], [2.0, 2.0]]).tolist() == [2, 3, 0]


def test_two_objectives_by_hand() -> None:
    # Rectangles below (4, 4): 3 × 1 for (1, 3), and 2 × 1 more for (2, 2), 1 × 1 for (3, 1).
    values = [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [3.0, 3.0], [5.0, 0.0], [np.nan, 0.0]]
    assert hypervolume(values, [4.0, 4.0]) == 3 + 2 + 1


@settings(deadline=None, max_examples=60)
@given(tables())
def test_the_hypervolume_is_the_number_of_unit_cells_dominated(
    values: NDArray[np.float64],
) -> None:
    m = values.shape[1]
    cells = np.stack(np.meshgrid(*[np.arange(5.0)] * m, indexing="ij"), axis=-1).reshape(-1, m)
    dominated = np.zeros(len(cells), dtype=bool)
    for row in values:
        dominated |= (row <= cells).all(axis=1)
    assert hypervolume(values, np.full(m, 5.0)) == pytest.approx(dominated.sum())


@settings(deadline=None, max_examples=30)
@given(tables())
def test_the_history_is_the_volume_of_every_prefix(values: NDArray[np.float64]) -> None:
    corner = np.full(values.shape[1], 5.0)
    prefixes = [hypervolume(values[: index + 1], corner) for index in range(len(values))]
    assert hypervolume_history(values, corner).tolist() == pytest.approx(prefixes)


def test_the_reference_lies_beyond_the_worst() -> None:
    values = [[1.0, 10.0], [2.0, 10.0], [np.nan, 99.0]]
    assert reference_point(values).tolist() == pytest.approx([2.1, 11.0])


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(3,\); wanted \(n, m\)"):
        nondominated([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match=r"reference has shape \(3,\); wanted \(2,\)"):
        hypervolume([[1.0, 2.0]], [3.0, 3.0, 3.0])
    with pytest.raises(InputError, match="no finite row"):
        reference_point([[np.nan, 1.0]])
