"""A calibrated threshold keeps its promise, on texts whose true risk is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from exit_traces import learned_trace, one_exit_trace, random_trace, true_disagreement
from hypothesis import given, settings
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.quality.exit_calibration import (
    LOSSES,
    RiskLimit,
    calibrate,
    calibrated_threshold,
    unit_losses,
)
from nasviz.quality.exit_rule import leave
from nasviz.quality.exit_sweep import threshold_grid
from nasviz.quality.exit_trace import ExitTrace
from nasviz.quality.risk_control import betting_p_values, losses_needed
from nasviz.space.options.early_exit import EarlyExit

REPEATS = 300
TENTHS = (0.1, 0.3, 0.5, 0.7, 1.0)  # where the noise of `random_trace` has its ties


def losses_one_by_one(trace: ExitTrace, threshold: float, limit: RiskLimit) -> list[float]:
    """Return each unit's loss from its tokens, with their exits found by `leave`."""
    policy = EarlyExit(layers=trace.layers[:-1], threshold=threshold)
    left = leave(trace, policy)
    windows = sorted(set(trace.window.tolist()))
    found = []
    for start in range(0, len(windows), limit.windows_per_unit):
        own = windows[start : start + limit.windows_per_unit]
        rows = np.flatnonzero(np.isin(trace.window, own))
        if limit.loss == "disagreement":
            found.append(float(1 - trace.agrees[rows, left[rows]].mean()))
            continue
        nats = -trace.log_probability[rows].astype(float)
        excess = nats[np.arange(len(rows)), left[rows]].sum() - nats[:, -1].sum()
        bits = excess / math.log(2) / trace.token_bytes[rows].sum()
        found.append(min(max(bits, 0.0), limit.most_excess))
    return found


@given(
    seed=st.integers(0, 10_000),
    thresholds=st.lists(st.floats(0, 1) | st.sampled_from(TENTHS), min_size=1, max_size=5),
    windows=st.integers(1, 4),
    loss=st.sampled_from(LOSSES),
)
@settings(max_examples=40, deadline=None)
def test_losses_of_all_thresholds_at_once_are_those_one_by_one(
    seed: int, thresholds: list[float], windows: int, loss: Any
) -> None:
    trace = random_trace(101, seed=seed)
    limit = RiskLimit(0.1, loss=loss, most_excess=0.3, windows_per_unit=windows)
    found = unit_losses(trace, "max_probability", thresholds, limit)
    for at, threshold in enumerate(thresholds):
        expected = losses_one_by_one(trace, threshold, limit)
        assert found[at] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("hard_share", "tolerance"), [(1.0, 0.05), (0.2, 0.03)])
def test_the_true_risk_is_within_the_tolerance_as_often_as_promised(
    loss: Any, hard_share: float, tolerance: float
) -> None:
    limit = RiskLimit(tolerance, risk_probability=0.1, loss=loss)
    true_risks = [
        true_disagreement(
            calibrated_threshold(
                one_exit_trace(200, 20, seed, hard_share=hard_share), "max_probability", limit
            ),
            hard_share,
        )
        for seed in range(REPEATS)
    ]
    assert np.mean(np.array(true_risks) > tolerance) <= limit.risk_probability
    assert np.median(true_risks) > tolerance / 2  # and the promise is not kept by staying away


def test_tokens_of_a_window_are_no_independent_evidence() -> None:
    """Were each token its own unit, the promise would be broken: why windows are the unit."""
    limit = RiskLimit(0.03, risk_probability=0.1)
    broken = 0
    for seed in range(40):
        trace = one_exit_trace(30, 100, seed, hard_share=0.2)
        alone = replace(trace, window=np.arange(trace.n_tokens))
        threshold = calibrated_threshold(alone, "max_probability", limit)
        broken += true_disagreement(threshold, 0.2) > limit.tolerance
    assert broken > 40 * limit.risk_probability * 2


@pytest.mark.parametrize(("n", "tolerance"), [(7, 0.3), (50, 0.1), (400, 0.02)])
@pytest.mark.parametrize("concentration", [0.0, 1.0, 50.0])
def test_p_values_are_valid_at_the_border(n: int, tolerance: float, concentration: float) -> None:
    """P(p ≤ level) ≤ level where the risk is just the tolerance, for varied losses and for even."""
    draw = np.random.default_rng(n)
    losses = (
        draw.beta(concentration * tolerance, concentration * (1 - tolerance), (6_000, n))
        if concentration
        else (draw.random((6_000, n)) < tolerance).astype(float)
    )
    for level in (0.01, 0.05, 0.2):
        by_chance = 3 * math.sqrt(level * (1 - level) / 6_000)
        assert (betting_p_values(losses, tolerance, level) <= level).mean() <= level + by_chance


def test_a_p_value_by_hand() -> None:
    # At level 1/e two losses have stakes of 1 (the square root of 2 / (2 × 0.25) is 2, cut to 1).
    first_lost, second_lost = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    p_values = betting_p_values(np.stack([first_lost, second_lost, [0, 0]]), 0.25, 1 / math.e)
    # Wealth 0.25 then 0.3125, never above the 1 it began with; 1.25 before it is lost; 1.25².
    assert p_values == pytest.approx([1.0, 1 / 1.25, 1 / 1.25**2], rel=1e-12)


def test_evidence_grows_with_text_and_falls_with_losses() -> None:
    even = [betting_p_values(np.full((1, n), 0.02), 0.05, 0.05)[0] for n in (50, 100, 400)]
    assert even == sorted(even, reverse=True)
    assert even[-1] < 1e-3
    worse = betting_p_values(np.repeat([[0.01], [0.03], [0.05], [0.2]], 200, axis=1), 0.05, 0.05)
    assert worse.tolist() == sorted(worse)
    assert worse[2:].tolist() == [1, 1]


def test_more_tolerance_never_raises_the_threshold() -> None:
    trace = learned_trace(20_011)
    limits = [RiskLimit(each) for each in (0.02, 0.05, 0.1, 0.2)]
    chosen = [calibrated_threshold(trace, "max_probability", limit) for limit in limits]
    assert chosen == sorted(chosen, reverse=True)
    assert chosen[0] > chosen[-1]


def test_what_is_chosen_on_one_part_is_reported_on_another() -> None:
    limit = RiskLimit(0.05, 0.1)
    ours, theirs = learned_trace(20_011), learned_trace(20_011, seed=1, part="test")
    done = calibrate(ours, theirs, "max_probability", limit)
    assert done.threshold in threshold_grid()
    assert done.threshold == calibrated_threshold(ours, "max_probability", limit)
    assert done.units == 313
    assert done.risk < limit.tolerance
    assert done.kept == (done.test_risk <= limit.tolerance)
    own = unit_losses(theirs, "max_probability", [done.threshold], limit)
    assert done.test_risk == own.mean()
    assert done.test.average_layers < 8
    assert done.chosen != done.test


def test_a_part_can_not_be_chosen_and_reported_on() -> None:
    trace = learned_trace(20_011)
    with pytest.raises(InputError, match="chosen and reported on the same calibration part"):
        calibrate(trace, trace, "max_probability", RiskLimit(0.05))
    other = learned_trace(20_011, 3, part="test")
    with pytest.raises(InputError, match="trace one model twice"):
        calibrate(trace, other, "max_probability", RiskLimit(0.05))


def test_too_little_text_is_said_to_be_too_little() -> None:
    with pytest.raises(InputError) as error:
        calibrated_threshold(learned_trace(640), "max_probability", RiskLimit(0.01))
    needed = losses_needed(0.01, 0.05)
    assert str(error.value) == (
        "10 units of text can't prove a loss of at most 0.01 but for a chance of 0.05, "
        f"{needed} could: take more text, or allow more"
    )
    never = betting_p_values(np.zeros((1, needed)), 0.01, 0.05)[0]
    less = betting_p_values(np.zeros((1, needed * 97 // 100)), 0.01, 0.05)[0]
    assert never <= 0.05 < less


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"tolerance": 0}, "tolerance=0 is not between 0 and 1"),
        ({"tolerance": 1.0}, "tolerance=1.0 is not between 0 and 1"),
        ({"tolerance": 0.6, "loss": "excess_bits_per_byte", "most_excess": 0.5}, "0 and 0.5"),
        ({"risk_probability": math.nan}, "risk_probability=nan is not between 0 and 1"),
        ({"loss": "disagrement"}, "did you mean 'disagreement'?"),
        ({"most_excess": math.inf}, "most_excess=inf is not a number of bits per byte"),
        ({"windows_per_unit": 0}, "windows_per_unit=0 is less than one"),
    ],
)
def test_a_wrong_limit_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        RiskLimit(**{"tolerance": 0.1} | wrong)
    assert told in str(error.value)
