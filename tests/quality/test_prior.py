from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.quality.features import Features, features
from nasviz.quality.prior import Prior, published
from nasviz.space.table import CandidateTable


def sampled(n: int, seed: int) -> CandidateTable:
    """Return candidates of a laptop's sizes."""
    rng = np.random.default_rng(seed)
    return CandidateTable.from_columns(
        {
            "n_layers": rng.integers(1, 13, n),
            "d_model": 32 * rng.integers(1, 13, n),
            "n_heads": 1,
            "vocab_size": 2 ** rng.integers(8, 14, n),
            "context_length": 2 ** rng.integers(4, 10, n),
        }
    )


def non_embedding(table: CandidateTable) -> np.ndarray:
    return 12 * table["n_layers"] * table["d_model"] ** 2


def known(table: CandidateTable, tokens: float = 5e6) -> Features:
    return features(table, non_embedding(table), tokens)


def truth(table: CandidateTable, seed: int) -> np.ndarray:
    """Return the bits of a law that is not the prior's: own level, own exponents, 1% of luck."""
    of = known(table)
    bits = 0.9 + np.exp(3.1 - 0.27 * of.parameters) + np.exp(4.6 - 0.31 * of.text)
    bits = bits + np.exp(0.5 - 0.5 * of.context) + 0.002 * (of.aspect - 4.0) ** 2
    return bits * np.exp(0.01 * np.random.default_rng(seed).standard_normal(len(table)))


@pytest.fixture(scope="module")
def anchored() -> Prior:
    trials = sampled(40, seed=1)
    return published().anchored(known(trials), truth(trials, seed=1))


def test_a_laptops_cloud_is_plausible_before_any_trial() -> None:
    bits = published().predict(known(sampled(5003, seed=0))).bits_per_byte
    assert bits.shape == (5003,)
    assert 1.2 < bits.min() < bits.max() < 4.8
    assert bits.max() - bits.min() > 1


def test_the_first_interval_holds_the_measured_run_that_it_is_to_guess() -> None:
    # 4 layers × 128 wide, bytes, context 64, 1,536,000 tokens: nanoGPT 2.74, our recipe 2.28.
    table = CandidateTable.from_columns(
        {
            "n_layers": 4,
            "d_model": 128,
            "n_heads": 4,
            "vocab_size": 256,
            "context_length": 64,
        }
    )
    quality = published().predict(features(table, 786_432, 1_536_000)).quality(0)
    assert quality.source == "prior"
    assert quality.low < 2.28
    assert quality.high > 2.74
    assert "extrapolated far below the sizes they fit" in quality.note


def test_the_label_tells_how_many_trials_it_is_anchored_on(anchored: Prior) -> None:
    assert anchored.label.endswith("re-anchored on 40 trials of this study")
    one = sampled(1, seed=3)
    assert published().anchored(known(one), [2.0]).label.endswith("on 1 trial of this study")
    for paper in ("2203.15556", "2404.10102", "2001.08361", "2407.13623", "2305.16264"):
        assert paper in anchored.source


def test_one_trial_moves_the_whole_cloud_to_its_level() -> None:
    table = sampled(211, seed=5)
    before = published().predict(known(table))
    trial = table.take([7])
    after = published().anchored(known(trial), [1.5]).predict(known(table))
    assert after.bits_per_byte[7] == pytest.approx(1.5, rel=0.01)
    moved = np.log(after.bits_per_byte / before.bits_per_byte)
    assert np.std(moved) < 1e-3
    assert after.high[7] / after.low[7] < 1.2 < before.high[7] / before.low[7]


def test_trials_it_has_not_seen_fall_into_the_interval_nine_times_in_ten() -> None:
    """Leave one out, on a truth that the prior can't express."""
    table = sampled(60, seed=11)
    measured = truth(table, seed=11)
    inside, errors, blind = [], [], []
    for left in range(len(table)):
        others = np.arange(len(table)) != left
        prior = published().anchored(known(table.take(others)), measured[others])
        guess = prior.predict(known(table.take([left])))
        inside.append(guess.low[0] <= measured[left] <= guess.high[0])
        errors.append(abs(np.log(guess.bits_per_byte[0] / measured[left])))
        before = published().predict(known(table.take([left]))).bits_per_byte[0]
        blind.append(abs(np.log(before / measured[left])))
    assert np.mean(inside) >= 0.8
    assert np.median(errors) < 0.03
    assert np.median(blind) > 0.1


def test_more_trials_guess_better() -> None:
    table = sampled(500, seed=13)
    target = truth(table, seed=13)

    def error(n: int) -> float:
        trials = sampled(n, seed=17)
        prior = published().anchored(known(trials), truth(trials, seed=17))
        guess = prior.predict(known(table)).bits_per_byte
        return float(np.median(np.abs(np.log(guess / target))))

    assert error(40) < error(8) < error(1)


def test_the_interval_is_narrow_near_trials_and_wide_away_from_them() -> None:
    near = CandidateTable.from_columns(
        {
            "n_layers": np.arange(3, 9),
            "d_model": 128,
            "n_heads": 4,
            "vocab_size": 512,
            "context_length": 128,
        }
    )
    far = CandidateTable.from_columns(
        {
            "n_layers": 96,
            "d_model": 8192,
            "n_heads": 64,
            "vocab_size": 65_536,
            "context_length": 4096,
        }
    )
    prior = published().anchored(known(near), truth(near, seed=2))
    close, away = prior.predict(known(near)), prior.predict(known(far))
    assert (close.high / close.low).max() < 1.12
    assert away.high[0] / away.low[0] > 2 * (close.high / close.low).max()


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 30),
    seed=st.integers(0, 10_000),
    spread=st.floats(0.01, 1),
    tilt=st.floats(-0.5, 0.5),
)
def test_more_parameters_text_or_context_never_predict_worse_whatever_was_measured(
    n: int, seed: int, spread: float, tilt: float
) -> None:
    trials = sampled(n, seed)
    noise = np.random.default_rng(seed).standard_normal(n)
    # Measures that say: larger is worse.
    measured = 2 * np.exp(spread * noise + tilt * (known(trials).parameters - 13))
    prior = published().anchored(known(trials), measured)
    table = sampled(50, seed + 1)
    size, tokens = non_embedding(table), np.full(50, 3e6)
    here = prior.predict(features(table, size, tokens)).bits_per_byte
    larger = prior.predict(features(table, size * 2, tokens)).bits_per_byte
    longer = prior.predict(features(table, size, tokens * 2)).bits_per_byte
    columns = {**table.columns, "context_length": table["context_length"] * 2}
    wider = CandidateTable(columns, 50)
    farther = prior.predict(features(wider, size, tokens)).bits_per_byte
    for more in (larger, longer, farther):
        assert (more <= here * (1 + 1e-5)).all()


def test_every_interval_holds_its_middle(anchored: Prior) -> None:
    for prior in (published(), anchored):
        guess = prior.predict(known(sampled(997, seed=23)))
        assert (guess.low <= guess.bits_per_byte).all()
        assert (guess.bits_per_byte <= guess.high).all()
        assert guess.quality(0).low > 0


def test_anchoring_twice_is_anchoring_on_the_last(anchored: Prior) -> None:
    trials = sampled(7, seed=29)
    measured = truth(trials, seed=29)
    again = anchored.anchored(known(trials), measured)
    once = published().anchored(known(trials), measured)
    assert again.weights.tolist() == once.weights.tolist()


def test_repeated_text_counts_less() -> None:
    table = sampled(5, seed=31)
    size = non_embedding(table)
    fresh = published().predict(features(table, size, 1e9))
    repeated = published().predict(features(table, size, 1e9, corpus_bytes=1e6))
    assert (repeated.bits_per_byte > fresh.bits_per_byte).all()


def test_a_corpus_own_bytes_per_token_replace_the_curve() -> None:
    table = sampled(3, seed=37)
    given_ones = features(table, non_embedding(table), 1e6, token_bytes=[1.0, 2.0, 4.0])
    np.testing.assert_allclose(np.exp(given_ones.text), [1e6, 2e6, 4e6], rtol=1e-5)


def test_a_long_table_is_worked_out_as_a_short_one_is(anchored: Prior) -> None:
    table = sampled(40_009, seed=41)
    whole = anchored.predict(known(table))
    rows = np.r_[0:99, 16_380:16_390, 40_000:40_009]
    some = anchored.predict(known(table.take(rows)))
    for name in ("bits_per_byte", "low", "high"):
        np.testing.assert_allclose(getattr(whole, name)[rows], getattr(some, name), rtol=1e-5)


def test_values_that_all_rows_share_stay_one_number() -> None:
    table = CandidateTable.from_columns(
        {"n_layers": 4, "d_model": 64, "n_heads": 4, "vocab_size": 256, "context_length": 64},
        length=7,
    )
    of = features(table, 1e5, 1e6)
    assert {len(column) for column in of.columns()} == {1}
    assert published().predict(of).bits_per_byte.shape == (7,)


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        ([1.0, 2.0], "2 measures for 3 trials"),
        ([1.0, np.nan, 2.0], "bits per byte are positive numbers; leave out trials that failed"),
        ([1.0, 0.0, 2.0], "bits per byte are positive numbers"),
    ],
)
def test_wrong_measures_are_refused(measured: list[float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        published().anchored(known(sampled(3, seed=0)), measured)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"training_tokens": 0}, "training_tokens=0 is not a positive count"),
        ({"non_embedding_parameters": -5}, "non_embedding_parameters=-5 is not a positive count"),
        ({"non_embedding_parameters": np.nan}, "non_embedding_parameters=nan is not"),
        ({"training_tokens": [1e6, 2e6]}, r"training_tokens has shape \(2,\) for 3 candidates"),
        ({"corpus_bytes": 0}, "corpus_bytes=0 is not a positive number of bytes"),
    ],
)
def test_counts_that_are_not_positive_are_refused(change: dict[str, float], told: str) -> None:
    settings_ = {"non_embedding_parameters": 1e5, "training_tokens": 1e6, **change}
    with pytest.raises(InputError, match=told):
        features(sampled(3, seed=0), **settings_)  # type: ignore[arg-type]
