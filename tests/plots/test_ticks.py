"""Ticks as people write them (tests/browser/test_twins.py: the page does too)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.plots.axis import Axis, fitted_axis
from nasviz.plots.ticks import ticks_within


@given(st.floats(-20, 20), st.floats(0.05, 15), st.booleans(), st.integers(3, 9))
def test_ticks_lie_on_the_axis_and_are_few(low: float, span: float, log: bool, wanted: int) -> None:
    ticks = ticks_within(low, low + span, log, wanted)
    slack = 1e-6 * max(1, abs(low), span)
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)
    assert ticks == sorted(ticks)
    assert len(ticks) <= 3 * wanted + 3
    if not log:
        assert len(ticks) >= 2


def test_log_ticks_share_one_scale_where_that_reads_well() -> None:
    axis = Axis("time", "s", 2e-4, 6e-3, log=True)
    labels = list(axis.ticks(7).values())
    assert labels[0] == "0.2\xa0ms"
    assert labels[-1] == "5\xa0ms"


def test_nothing_counted_is_nought_without_a_prefix() -> None:
    labels = list(Axis("tokens", "", 0.0, 210_000.0).ticks(5).values())
    assert labels == ["0", "50\xa0k", "100\xa0k", "150\xa0k", "200\xa0k"]


def test_an_axis_fits_the_finite_numbers_only() -> None:
    axis = fitted_axis("x", "", [[1.0, float("nan"), 3.0], [float("inf")]], margin=0.5)
    assert (axis.low, axis.high) == (0.0, 4.0)
    logarithmic = fitted_axis("x", "", [[0.0, -1.0, 1.0, 100.0]], log=True, margin=0.0)
    assert (logarithmic.low, logarithmic.high) == pytest.approx((1.0, 100.0))
    assert fitted_axis("x", "", []).high > fitted_axis("x", "", []).low
