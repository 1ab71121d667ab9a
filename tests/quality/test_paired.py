"""Student's interval of a few differences."""

from __future__ import annotations

import numpy as np
import pytest

from nasviz.errors import InputError
from nasviz.quality.paired import Interval, interval


def test_it_holds_the_true_mean_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0).normal(0.7, 2.0, (4_000, 3))
    held = [found.low <= 0.7 <= found.high for found in map(interval, drawn)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_it_is_the_paired_t_test_of_a_textbook() -> None:
    # Student 1908, Cushny and Peebles: extra hours of sleep, 1.58 with 0.70 to 2.46.
    found = interval([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    assert (found.mean, found.low, found.high) == pytest.approx((1.58, 0.70, 2.46), abs=5e-3)
    assert not found.within_noise


@pytest.mark.parametrize(("n", "wide"), [(12, 2.201), (31, 2.042), (400, 1.966)])
def test_beyond_the_table_the_quantile_is_nearly_right(n: int, wide: float) -> None:
    values = np.tile([-1.0, 1.0], n)[:n]
    half = interval(values).high - values.mean()
    assert half / (values.std(ddof=1) / np.sqrt(n)) == pytest.approx(wide, abs=4e-3)


def test_one_value_is_never_more_than_noise() -> None:
    assert interval([3.0]) == Interval(3.0, 3.0, 3.0, 1)
    assert interval([3.0]).within_noise


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0], [2.0]]])
def test_what_is_no_row_of_numbers_is_refused(values: list) -> None:
    with pytest.raises(InputError, match="are not one or more numbers"):
        interval(values)


def test_an_interval_goes_to_json_and_back() -> None:
    found = interval([1.0, 2.0])
    assert Interval.from_json(found.to_json()) == found
    assert found.to_json()["within_noise"] is True
