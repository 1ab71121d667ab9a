from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.quality.laws import (
    MOST_BITS,
    chinchilla_bits,
    effective_bytes,
    kaplan_bits,
    ln_bytes_per_token,
    vocabulary_bits,
)

ln_parameters = st.floats(math.log(1e3), math.log(1e12))
ln_bytes = st.floats(math.log(1e5), math.log(1e14))


def test_chinchilla_70b_is_where_the_corrected_fit_puts_it() -> None:
    # 1.8172 + 482.01 / 70e9^0.3478 + 2085.43 / 1.4e12^0.3658 = 1.9748 nats per token.
    nats = 1.8172 + 482.01 / 70e9**0.3478 + 2085.43 / 1.4e12**0.3658
    published = nats / math.log(2) / 3.96
    found = float(chinchilla_bits(np.log(70e9), np.log(1.4e12 * 3.96)))
    assert found == pytest.approx(published, rel=2e-3)


def test_kaplans_law_is_its_formula() -> None:
    parameters, tokens = 1.5e9, 2.2e10
    nats = ((6.4e13 / parameters) ** (0.076 / 0.103) + 1.8e13 / tokens) ** 0.103
    found = float(kaplan_bits(np.log(parameters), np.log(tokens * 4.13)))
    assert found == pytest.approx(nats / math.log(2) / 4.13, rel=1e-9)


@pytest.mark.parametrize("law", [chinchilla_bits, kaplan_bits])
@given(parameters=ln_parameters, text=ln_bytes, more=st.floats(0.01, 5))
def test_more_parameters_and_more_text_never_predict_worse(  # type: ignore[no-untyped-def]
    law, parameters: float, text: float, more: float
) -> None:
    here = law(np.float64(parameters), np.float64(text))
    assert 0 < law(np.float64(parameters + more), np.float64(text)) <= here
    assert 0 < law(np.float64(parameters), np.float64(text + more)) <= here


@given(parameters=ln_parameters, text=ln_bytes)
def test_chinchilla_stays_below_the_entropy_of_bytes(parameters: float, text: float) -> None:
    assert chinchilla_bits(np.float64(parameters), np.float64(text)) < MOST_BITS


def test_the_two_laws_agree_where_both_were_fitted() -> None:
    parameters, text = np.log(1e9), np.log(2e10 * 4)
    ratio = chinchilla_bits(parameters, text) / kaplan_bits(parameters, text)
    assert 0.9 < ratio < 1.15


def test_a_repeated_text_is_worth_less_the_more_it_is_repeated() -> None:
    seen = np.array([0.5, 1.0, 2.0, 5.0, 50.0, 5000.0])
    worth = effective_bytes(seen, 1.0)
    assert worth[:2].tolist() == [0.5, 1.0]
    assert worth[2] == pytest.approx(1 + 15.39 * (1 - math.exp(-1 / 15.39)))
    assert (np.diff(worth) > 0).all()
    assert (worth <= seen).all()
    assert worth[-1] == pytest.approx(1 + 15.39, rel=1e-6)


def test_plain_bytes_are_one_byte_and_the_curve_rises_to_what_tao_published() -> None:
    sizes = np.array([2, 256, 300, 512, 1024, 4096, 8192, 32_768, 100_000])
    curve = np.exp(ln_bytes_per_token(np.log(sizes)))
    assert curve[:2].tolist() == [1.0, 1.0]
    assert (np.diff(curve) >= 0).all()
    logarithm = math.log(32_768)
    published = 1 / (0.00639222 * logarithm**2 - 0.15811069 * logarithm + 1.20470122)
    assert curve[7] == pytest.approx(published, rel=0.005)


def test_the_curve_is_near_what_a_real_tokenizer_reaches() -> None:
    # Held-out bytes per token of Python's library and of tiny Shakespeare, measured.
    measured = {512: (2.21, 1.88), 1024: (2.81, 2.26), 4096: (3.75, 2.93), 16_384: (4.23, 3.34)}
    for size, both in measured.items():
        assert min(both) * 0.97 < np.exp(ln_bytes_per_token(np.log(size))) < max(both)


def test_a_small_embedding_table_costs_bits_and_is_held_at_the_least_that_was_fitted() -> None:
    sizes = np.log(np.array([1e4, 4096 * 512, 1e8, 1e9]))
    cost = vocabulary_bits(sizes, np.float64(3.0))
    assert cost[0] == cost[1] > cost[2] > cost[3] > 0
    nats = 0.19584 / (1e8 / 1e6) ** 0.67074
    assert cost[2] == pytest.approx(nats / (3 * math.log(2)))
