"""Numbers and ticks as people write them (tests/browser/test_twins.py: the page does too)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.plots.axis import Axis, fitted_axis
from nasviz.plots.units import format_value, ticks_within

SPOKEN = [
    (0.00131, "s", "1.31 ms"), (4_460_000, "", "4.46 M"), (17e6, "B", "17 MB"),
    (0.018, "J", "18 mJ"), (2.3125, "", "2.31"), (8192, "", "8,192"), (9.4e6, "FLOP", "9.4 MFLOP"),
    (7_200, "s", "2 h"), (0.417, "%", "41.7 %"), (0, "s", "0 s"), (7e9, "parameters", "7 B"),
    (123_456, "token/s", "123 ktoken/s"), (float("nan"), "s", "–"), (1234.5, "", "1,235"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "unit", "text"), SPOKEN)
def test_a_number_reads_as_people_write_it(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


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
    assert labels[0] == "0.2 ms"
    assert labels[-1] == "5 ms"


def test_an_axis_fits_the_finite_numbers_only() -> None:
    axis = fitted_axis("x", "", [[1.0, float("nan"), 3.0], [float("inf")]], margin=0.5)
    assert (axis.low, axis.high) == (0.0, 4.0)
    logarithmic = fitted_axis("x", "", [[0.0, -1.0, 1.0, 100.0]], log=True, margin=0.0)
    assert (logarithmic.low, logarithmic.high) == pytest.approx((1.0, 100.0))
    assert fitted_axis("x", "", []).high > fitted_axis("x", "", []).low
