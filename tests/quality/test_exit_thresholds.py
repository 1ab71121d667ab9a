"""A threshold an exit: never worse than a common one, better where exits differ."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from exit_traces import learned_trace, random_trace
from hypothesis import given, settings
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.quality.exit_rule import first_above, leave, outcome
from nasviz.quality.exit_sweep import sweep, threshold_grid
from nasviz.quality.exit_thresholds import per_exit_thresholds
from nasviz.quality.exit_trace import ExitTrace
from nasviz.space.options.early_exit import EarlyExit

BIASED = "max_probability"


def biased_trace(seed: int = 0) -> ExitTrace:
    """Return a trace whose first exits are surer of themselves than they should be."""
    trace = learned_trace(6_007, 5, seed)
    sure = trace.score(BIASED)
    inflated = np.where(np.arange(5) < 2, np.sqrt(sure), sure)
    return learned_trace(6_007, 5, seed, confidence={BIASED: inflated})


@given(seed=st.integers(0, 10_000), allowed=st.floats(0, 0.5), learned=st.booleans())
@settings(max_examples=15, deadline=None)
def test_they_are_never_worse_than_the_best_common_one(
    seed: int, allowed: float, learned: bool
) -> None:
    trace = learned_trace(1_009, 4, seed) if learned else random_trace(499, 4, seed)
    swept = sweep(trace, BIASED)
    most = float(swept.bits_per_byte[-1]) * (1 + allowed)
    own = per_exit_thresholds(trace, BIASED, most)
    found = outcome(trace, first_above(trace.score(BIASED), own))
    assert found.bits_per_byte <= most
    assert found.average_layers <= swept.at(swept.cheapest(most)).average_layers


def test_they_see_through_an_exit_that_is_too_sure() -> None:
    trace = biased_trace(3)
    swept = sweep(trace, BIASED)
    most = float(swept.bits_per_byte[-1]) * 1.1
    own = per_exit_thresholds(trace, BIASED, most)
    policy = EarlyExit(layers=trace.layers[:-1], criterion=BIASED, thresholds=own)
    found = outcome(trace, leave(trace, policy))
    common = swept.at(swept.cheapest(most))
    assert found.bits_per_byte <= most
    # Spending what is allowed from the common threshold on, without prices, saves 4%.
    assert found.average_layers < 0.94 * common.average_layers
    assert min(own[:2]) > max(own[2:])


@given(seed=st.integers(0, 10_000), allowed=st.floats(0, 0.3))
@settings(max_examples=8, deadline=None)
def test_no_exit_alone_could_do_better(seed: int, allowed: float) -> None:
    trace = learned_trace(307, 3, seed)
    confidence = trace.score(BIASED)
    most = float(sweep(trace, BIASED, [1.0]).bits_per_byte[0]) * (1 + allowed)
    own = per_exit_thresholds(trace, BIASED, most)
    fewest = outcome(trace, first_above(confidence, own)).average_layers
    for exit_, other in product(range(3), threshold_grid().tolist()):
        changed = (*own[:exit_], other, *own[exit_ + 1 :])
        found = outcome(trace, first_above(confidence, changed))
        assert found.average_layers >= fewest - 1e-9 or found.bits_per_byte > most * (1 - 1e-9)


def test_two_exits_are_about_as_good_as_all_pairs_of_thresholds() -> None:
    for seed in range(3):
        trace = learned_trace(1_009, 2, seed)
        confidence = trace.score(BIASED)
        most = float(sweep(trace, BIASED, [1.0]).bits_per_byte[0]) * 1.03
        pairs = [
            outcome(trace, first_above(confidence, pair))
            for pair in product(threshold_grid()[::4], repeat=2)
        ]
        best = min(each.average_layers for each in pairs if each.bits_per_byte <= most)
        own = per_exit_thresholds(trace, BIASED, most)
        assert outcome(trace, first_above(confidence, own)).average_layers <= best * 1.01


def test_they_are_the_same_each_time_and_know_decay() -> None:
    trace = biased_trace()
    most = float(sweep(trace, BIASED).bits_per_byte[-1]) * 1.05
    own = per_exit_thresholds(trace, BIASED, most, decay=3.0)
    assert own == per_exit_thresholds(trace, BIASED, most, decay=3.0)
    policy = EarlyExit(layers=trace.layers[:-1], criterion=BIASED, thresholds=own, decay=3.0)
    assert outcome(trace, leave(trace, policy)).bits_per_byte <= most


def test_a_quality_that_no_threshold_reaches_is_refused() -> None:
    with pytest.raises(InputError, match=r"no threshold reaches 0\.01 bits per byte; the best is"):
        per_exit_thresholds(learned_trace(), BIASED, 0.01)
