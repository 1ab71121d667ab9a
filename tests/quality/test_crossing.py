"""Where the road from scratch overtakes the pruned one: worked by hand, and its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.quality.crossing import Road, overtaken_at


def test_the_crossing_lies_where_two_straight_lines_over_log_compute_meet() -> None:
    # From 10 to 1000 one falls by 0.2 and the other by 1.0: they meet where both lost the same
    # share of the way, 1.5 / 4.0 of the two decades.
    leader = Road.of([10, 1000], [2.0, 1.8])
    challenger = Road.of([1, 10, 1000], [9.0, 2.3, 1.3])
    assert overtaken_at(leader, challenger) == pytest.approx(10 ** (1 + 2 * 3 / 8))


def test_compute_before_the_parent_is_trained_is_no_overtaking() -> None:
    pruned = Road.of([100, 200], [1.5, 1.4])
    scratch = Road.of([1, 50, 210], [5.0, 2.0, 1.45])
    assert overtaken_at(pruned, scratch) is None


def test_the_last_crossing_counts_where_curves_cross_more_than_once() -> None:
    leader = Road.of([1, 10, 100, 1000], [2.0, 2.0, 2.0, 2.0])
    challenger = Road.of([1, 10, 100, 1000], [2.5, 1.5, 2.5, 1.5])
    assert overtaken_at(leader, challenger) == pytest.approx(10**2.5)


def test_a_road_that_is_ahead_from_the_start_overtakes_there() -> None:
    assert overtaken_at(Road.of([4, 8], [3, 3]), Road.of([1, 2, 16], [5, 2, 1])) == 4


def test_what_was_not_healed_is_one_point_and_can_be_overtaken_at_it() -> None:
    unhealed = Road.of([8], [2.5])
    assert overtaken_at(unhealed, Road.of([2, 16], [4.0, 2.2])) is None
    assert overtaken_at(unhealed, Road.of([2, 16], [3.0, 1.0])) == 8


@pytest.mark.parametrize("compute", [[1, 2], []])
def test_roads_that_share_no_compute_never_cross(compute: list[float]) -> None:
    assert overtaken_at(Road.of([3, 4], [1, 1]), Road.of(compute, [0.5] * len(compute))) is None


@given(st.integers(0, 10_000))
def test_from_the_crossing_on_the_challenger_is_ahead_and_just_before_it_behind(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    roads = [
        Road.of(np.cumsum(drawn.uniform(0.5, 3, n)), drawn.uniform(1, 3, n))
        for n in drawn.integers(2, 7, 2)
    ]
    found = overtaken_at(*roads)
    low = max(road.compute[0] for road in roads)
    high = min(road.compute[-1] for road in roads)
    if found is None:
        if low <= high:
            ends = np.array([high])
            assert roads[1].at(ends) > roads[0].at(ends)
        return
    after = np.geomspace(found, high, 50)
    assert np.all(roads[1].at(after) <= roads[0].at(after) + 1e-9)
    if found > low * (1 + 1e-9):
        before = np.array([found - 1e-6 * (found - low)])
        assert roads[1].at(before) > roads[0].at(before) - 1e-9


@pytest.mark.parametrize(
    ("compute", "bits", "said"),
    [([1, 2], [1], "shapes"), ([0, 1], [1, 1], "above 0"), ([2, 1], [1, 1], "rises")],
)
def test_what_is_no_road_is_refused(compute: list[float], bits: list[float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Road.of(compute, bits)


def test_points_that_are_not_known_are_left_out() -> None:
    road = Road.of([1, 2, 3, 4], [math.nan, 3.0, math.nan, 2.0])
    assert road.compute.tolist() == [2, 4]
