from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.quality.bits import bits_per_byte
from nasviz.quality.records import SOURCES, Quality

positive = st.floats(1e-3, 100)


def test_a_uniform_guess_of_bytes_is_eight_bits_per_byte() -> None:
    assert bits_per_byte(1000 * math.log(256), 1000) == pytest.approx(8.0, rel=1e-15)


def test_bits_per_byte_takes_arrays() -> None:
    result = bits_per_byte(np.array([1.0, 2.0, 3.0]) * math.log(2), np.array([1, 2, 4]))
    assert result.tolist() == [1.0, 1.0, 0.75]


@given(
    bits=positive,
    spread=st.tuples(st.floats(0, 1), st.floats(1, 9)),
    source=st.sampled_from(SOURCES),
    accuracy=st.none() | st.floats(0, 1),
    note=st.text(),
)
def test_a_quality_goes_through_json_and_back(
    bits: float, spread: tuple[float, float], source: Any, accuracy: float | None, note: str
) -> None:
    low, high = (bits * each for each in spread)
    quality = Quality(bits, low, high, source, accuracy=accuracy, note=note)
    assert Quality.from_json(quality.to_json()) == quality


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"source": "guess"}, "unknown source of a quality 'guess'"),
        ({"source": "train"}, "did you mean 'trained'?"),
        ({"bits_per_byte": math.nan}, "bits_per_byte=nan is not a number of bits per byte"),
        ({"low": -1.0}, "low=-1.0 is not a number of bits per byte"),
        ({"high": math.inf}, "high=inf is not"),
        ({"high": "2"}, "high='2' is not"),
        ({"low": 2.5}, "bits_per_byte=2 lies outside its interval 2.5 to 3"),
        ({"accuracy": 50}, "accuracy=50 is not a share from 0 to 1"),
        ({"bit_per_byte": 1}, "unknown quality key 'bit_per_byte'; did you mean 'bits_per_byte'?"),
    ],
)
def test_a_wrong_quality_is_refused(change: dict[str, Any], told: str) -> None:
    right = {"bits_per_byte": 2.0, "low": 1.0, "high": 3.0, "source": "trained"}
    with pytest.raises(InputError) as error:
        Quality.from_json({**right, **change})
    assert told in str(error.value)


def test_what_is_no_quality_is_refused() -> None:
    with pytest.raises(InputError, match=r"a quality is an object, not 2\.0"):
        Quality.from_json(2.0)
    with pytest.raises(InputError, match="the quality lacks low, high, source"):
        Quality.from_json({"bits_per_byte": 2.0})
