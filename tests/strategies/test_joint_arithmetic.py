"""The arithmetic of a comparison, held against cases that can be worked out by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.strategies.joint.attainment import attainment
from nasviz.strategies.joint.thresholds import chosen_points, greedy
from nasviz.strategies.joint.verdict import Difference, paired_difference, sentence
from nasviz.strategies.pareto import hypervolume

CORNER = (10.0, 10.0)
rows = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1, max_size=7)


def test_equal_differences_leave_no_doubt() -> None:
    found = paired_difference([3.0, 5.0, 4.0], [2.5, 4.5, 3.5])
    assert (found.mean, found.low, found.high, found.n) == (0.5, 0.5, 0.5, 3)
    assert found.outcome == "won"


def test_the_interval_of_two_pairs_is_that_of_their_three_resampled_means() -> None:
    # Means of two draws from {0, 1}: 0 and 1 a quarter of the time each, a half the other times.
    found = paired_difference([0.0, 1.0], [0.0, 0.0])
    assert (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)
    assert found.outcome == "within noise"  # an interval that only touches 0 is no win


def test_pairs_are_resampled_together() -> None:
    ours, theirs = np.array([1.0, 100.0, 50.0]), np.array([0.0, 99.0, 49.0])
    assert paired_difference(ours, theirs).low == 1.0
    assert paired_difference(ours, theirs[::-1]).low < 0


def test_the_interval_is_near_the_normal_one_for_many_pairs() -> None:
    drawn = np.random.default_rng(7).normal(0.2, 1.0, 400)
    found = paired_difference(drawn, np.zeros(400))
    half = 1.96 * drawn.std() / 20
    assert found.low == pytest.approx(drawn.mean() - half, abs=0.01)
    assert found.high == pytest.approx(drawn.mean() + half, abs=0.01)


def test_the_seed_of_the_bootstrap_fixes_it() -> None:
    pairs = np.random.default_rng(1).normal(size=(2, 40))
    assert paired_difference(*pairs) == paired_difference(*pairs)
    assert paired_difference(*pairs, seed=1) != paired_difference(*pairs)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ([], [], "wanted \\(n,\\) twice"),
        ([1.0], [1.0, 2.0], "shapes \\(1,\\) and \\(2,\\)"),
        ([float("nan")], [1.0], "values that are none"),
    ],
)
def test_pairs_that_are_none_are_refused(
    ours: list[float], theirs: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        paired_difference(ours, theirs)


def test_the_verdict_is_one_sentence_with_both_intervals() -> None:
    said = sentence(
        {
            "static search": Difference(0.012, 0.004, 0.02, 5),
            "search in two steps": Difference(-0.001, -0.01, 0.008, 5),
        }
    )
    assert said == (
        "Over 5 seeds, joint search won against static search (+1.20 points of the box, 95% "
        "interval +0.40 to +2.00) and was within noise of search in two steps (-0.10 points of "
        "the box, 95% interval -1.00 to +0.80)."
    )
    lost = sentence({"static search": Difference(-0.2, -0.3, -0.1, 2)})
    assert lost.startswith("Over 2 seeds, joint search lost against static search (-20.00 points")


def test_one_seed_tells_nothing_from_noise() -> None:
    alone = paired_difference([0.9], [0.1])
    assert alone.outcome == "within noise"
    mean = 100 * alone.mean
    assert sentence({"static search": alone}) == (
        f"Over 1 seed, joint search was within noise of static search ({mean:+.2f} points of the "
        "box, without an interval)."
    )


@settings(max_examples=60, deadline=None)
@given(rows, rows)
def test_each_point_taken_adds_most_of_all(values: list[tuple[int, int]], archive: list) -> None:
    chosen = greedy(values, CORNER, 3, archive)
    kept = list(archive)
    for row in chosen:
        volumes = [hypervolume([*kept, each], CORNER) for each in values]
        assert volumes[row] == max(volumes) > hypervolume(kept, CORNER)
        kept.append(values[row])
    if len(chosen) < 3:
        assert all(
            hypervolume([*kept, each], CORNER) == hypervolume(kept, CORNER) for each in values
        )


@settings(max_examples=40, deadline=None)
@given(rows)
def test_greedy_choice_reaches_its_share_of_the_best_pair(values: list[tuple[int, int]]) -> None:
    taken = hypervolume([values[row] for row in greedy(values, CORNER, 2)] or [CORNER], CORNER)
    best = max(
        (hypervolume(list(pair), CORNER) for pair in combinations(values, 2)),
        default=hypervolume(values, CORNER),
    )
    assert taken >= (1 - 1 / np.e) * best


def test_a_model_that_adds_nothing_enters_with_its_best_point() -> None:
    nothing = np.empty((0, 2))
    assert chosen_points([[3.0, 3.0], [2.0, 5.0]], CORNER, 4, [[1.0, 1.0]]) == [0]
    assert chosen_points([[3.0, 3.0], [2.0, 5.0]], CORNER, 4, nothing) == [0, 1]
    assert chosen_points([[3.0, 3.0], [2.0, 5.0]], CORNER, 1, nothing) == [0]
    assert chosen_points([[30.0, 30.0]], CORNER, 4, nothing) == [0]


def test_attainment_is_the_best_quality_that_each_seed_pays_for() -> None:
    found = attainment([[[3.0, 1.0], [2.0, 4.0]], [[2.5, 2.0]], [[4.0, 1.0], [1.0, 5.0]]])
    assert found.cost.tolist() == [1, 2, 4, 5]
    assert found.best.tolist() == [3, 2.5, 2, 1]
    assert found.middle.tolist() == [4, 3, 2.5, 2]
    assert found.worst.tolist() == [np.inf, 4, 4, 2.5]


def test_a_seed_without_a_front_reaches_nothing() -> None:
    found = attainment([np.empty((0, 2)), [[2.0, 1.0]]])
    assert (found.best.tolist(), found.worst.tolist()) == ([2.0], [np.inf])
