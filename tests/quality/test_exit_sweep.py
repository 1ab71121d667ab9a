"""The sweep's arithmetic is that of tokens leaving one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from exit_traces import random_trace
from hypothesis import given, settings
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.quality.exit_rule import leave, outcome
from nasviz.quality.exit_sweep import exit_curve, sweep, threshold_grid
from nasviz.quality.exit_trace import CRITERIA, ExitTrace
from nasviz.space.options.early_exit import EarlyExit

seeds = st.integers(0, 10_000)
# Tenths are where the noise of `random_trace` has its ties.
levels = st.lists(st.floats(0, 1) | st.sampled_from([0, 0.1, 0.3, 0.5, 0.7, 1]), min_size=1)


def option(trace: ExitTrace, **settings_: Any) -> EarlyExit:
    return EarlyExit(layers=trace.layers[:-1], **settings_)


def left_one_by_one(trace: ExitTrace, policy: EarlyExit) -> list[int]:
    """Return where each token leaves: the definition, written as a loop."""
    thresholds = policy.thresholds_of(trace.layers[-1])
    found = []
    for row in range(trace.n_tokens):
        left = trace.n_exits
        for exit_ in reversed(range(trace.n_exits)):
            level = thresholds[exit_]
            if policy.decay and level < 1:
                fall = math.exp(-policy.decay * trace.position[row] / trace.context_length)
                level = min(0.9 * level + 0.1 * fall, 1.0)
            if trace.score(policy.criterion)[row, exit_] > np.float32(level):
                left = exit_
        found.append(left)
    return found


@given(
    seed=seeds, n_exits=st.integers(1, 5), thresholds=levels, criterion=st.sampled_from(CRITERIA)
)
@settings(max_examples=60, deadline=None)
def test_the_sweep_is_the_loop(
    seed: int, n_exits: int, thresholds: list[float], criterion: Any
) -> None:
    trace = random_trace(53, n_exits, seed)
    swept = sweep(trace, criterion, thresholds)
    for index, threshold in enumerate(thresholds):
        policy = option(trace, threshold=threshold, criterion=criterion)
        left = left_one_by_one(trace, policy)
        rows = np.arange(trace.n_tokens)
        nats = [-float(trace.log_probability[row, left[row]]) for row in rows]
        said = trace.likeliest[rows, left]
        assert swept.bits_per_byte[index] == pytest.approx(
            math.fsum(nats) / math.log(2) / trace.n_bytes, rel=1e-12
        )
        assert swept.accuracy[index] == (said == trace.target).mean()
        assert swept.agreement[index] == (said == trace.likeliest[:, -1]).mean()
        assert swept.average_layers[index] == pytest.approx(
            np.mean([trace.layers[each] for each in left]), rel=1e-12
        )
        assert swept.exit_shares[index].tolist() == [
            left.count(exit_) / 53 for exit_ in range(n_exits + 1)
        ]


@given(
    seed=seeds,
    decay=st.floats(0.01, 8),
    thresholds=st.lists(st.floats(0, 1) | st.just(1 - 1e-12), min_size=3, max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_own_and_falling_thresholds_are_the_loop(
    seed: int, decay: float, thresholds: list[float]
) -> None:
    trace = random_trace(53, 3, seed)
    own = option(trace, thresholds=tuple(thresholds), criterion="margin")
    assert leave(trace, own).tolist() == left_one_by_one(trace, own)
    falling = option(trace, thresholds=tuple(thresholds), criterion="margin", decay=decay)
    assert leave(trace, falling).tolist() == left_one_by_one(trace, falling)
    common = option(trace, threshold=thresholds[0], criterion="margin", decay=decay)
    swept = sweep(trace, "margin", [thresholds[0]], decay).at(0)
    loop = outcome(trace, np.array(left_one_by_one(trace, common)))
    assert swept.exit_shares == loop.exit_shares
    assert swept.bits_per_byte == pytest.approx(loop.bits_per_byte, rel=1e-12)
    assert (swept.accuracy, swept.agreement) == (loop.accuracy, loop.agreement)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("decay", [0.0, 4.0])
def test_at_threshold_one_it_is_the_whole_model(criterion: Any, decay: float) -> None:
    certain = np.ones((211, 3))
    trace = random_trace(confidence={criterion: certain})
    whole = sweep(trace, criterion, [1.0], decay).at(0)
    assert whole.exit_shares == (0, 0, 0, 1)
    assert whole.agreement == 1
    nats = -trace.log_probability[:, -1].sum(dtype=np.float64)
    assert whole.bits_per_byte == nats / math.log(2) / trace.n_bytes
    policy = option(trace, threshold=1.0, criterion=criterion, decay=decay)
    assert (leave(trace, policy) == 3).all()


@given(seed=seeds, criterion=st.sampled_from(CRITERIA), decay=st.sampled_from([0.0, 2.0]))
@settings(max_examples=30, deadline=None)
def test_a_higher_threshold_is_never_shallower(seed: int, criterion: Any, decay: float) -> None:
    swept = sweep(random_trace(seed=seed), criterion, threshold_grid(61), decay)
    assert (np.diff(swept.average_layers) >= 0).all()


def test_a_threshold_is_compared_as_a_model_compares_it() -> None:
    # float32(0.1) is above 0.1: in float64 a confidence of float32(0.1) would beat its own value.
    trace = random_trace(confidence={"margin": np.full((211, 3), np.float32(0.1))})
    assert sweep(trace, "margin", [0.1]).at(0).exit_shares == (0, 0, 0, 1)
    assert (leave(trace, option(trace, threshold=0.1, criterion="margin")) == 3).all()


def test_costs_are_what_the_price_says_of_each_threshold() -> None:
    swept = sweep(random_trace(), "margin", [0.2, 1.0])
    prices = swept.costs(lambda shares: 10 * shares[0] + 100 * shares[-1])
    assert prices.tolist() == [
        10 * swept.exit_shares[0, 0] + 100 * swept.exit_shares[0, -1],
        100.0,
    ]


def test_the_deepest_threshold_within_a_depth_is_the_last_that_fits() -> None:
    swept = sweep(random_trace(400, 5, 1), "max_probability")
    depth = swept.average_layers
    middle = float((depth.min() + depth.max()) / 2)
    best = swept.deepest_within(middle)
    assert depth[best] <= middle
    assert not np.any((depth > depth[best]) & (depth <= middle))
    same = swept.thresholds[depth == depth[best]]
    assert swept.thresholds[best] == same.max(), "of equal ones the highest"
    with pytest.raises(InputError, match=r"no threshold takes 0\.5 layers or fewer"):
        swept.deepest_within(0.5)


def test_the_cheapest_threshold_keeps_to_its_quality() -> None:
    swept = sweep(random_trace(), "margin")
    most = float(np.median(swept.bits_per_byte))
    best = swept.cheapest(most)
    good = swept.bits_per_byte <= most
    assert good[best]
    assert swept.average_layers[best] == swept.average_layers[good].min()
    with pytest.raises(InputError, match=r"no threshold reaches 0\.1 bits per byte; the best is "):
        swept.cheapest(0.1)


def test_the_grid_is_dense_where_confidence_crowds() -> None:
    grid = threshold_grid()
    assert grid.shape == (200,)
    assert (grid[0], grid[-1]) == (0, 1)
    assert (np.diff(grid) > 0).all()
    assert ((grid > 0.99) & (grid < 1)).sum() > 50
    assert np.unique(grid.astype(np.float32)).size == 200  # models compare in float32


@pytest.mark.parametrize("wrong", [[-0.1], [1.1], [math.nan]])
def test_a_threshold_out_of_range_is_refused(wrong: list[float]) -> None:
    with pytest.raises(InputError, match="exit thresholds lie between 0 and 1, not at"):
        exit_curve(random_trace(), "margin").at(wrong)


def test_a_policy_with_other_exits_is_refused() -> None:
    trace = random_trace()
    with pytest.raises(InputError, match=r"the policy has exits after layers \[1, 2, 3, 4"):
        leave(trace, EarlyExit(first=1))
    with pytest.raises(InputError, match="unknown criterion of this exit trace 'gate'"):
        leave(
            random_trace(confidence={"margin": np.zeros((211, 3))}), option(trace, criterion="gate")
        )
