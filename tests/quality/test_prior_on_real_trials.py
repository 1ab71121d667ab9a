"""The prior against sixteen models that were really trained, on tiny Shakespeare.

Measured with nasviz's transformer under AdamW (4e-3, decayed to zero) and 1,024 tokens a step, on
the first 16,000 bytes of the test part; sizes drawn at random, one seed, nothing left out. They are
short runs, where a longer context doesn't help yet: what the prior can't express is in them.
"""

from __future__ import annotations

import numpy as np
import pytest

from nasviz.quality.features import Features, features
from nasviz.quality.prior import published
from nasviz.space.architecture import Architecture
from nasviz.space.table import CandidateTable

TRAIN_BYTES = 1_003_854

# layers, embedding size, vocabulary, context, steps, bits per byte
TRIALS = (
    (4, 32, 256, 16, 100, 4.645),
    (4, 128, 1024, 16, 100, 3.170),
    (2, 64, 1024, 32, 100, 3.520),
    (1, 96, 1024, 16, 100, 3.258),
    (2, 64, 2048, 64, 200, 3.082),
    (2, 96, 1024, 16, 400, 2.573),
    (4, 128, 2048, 32, 100, 3.138),
    (3, 96, 1024, 128, 100, 3.504),
    (4, 32, 256, 128, 400, 3.472),
    (2, 32, 512, 16, 400, 2.923),
    (3, 96, 256, 32, 100, 3.702),
    (4, 64, 256, 32, 400, 2.927),
    (3, 64, 512, 16, 200, 3.112),
    (3, 96, 2048, 128, 100, 3.252),
    (3, 96, 256, 32, 200, 3.178),
    (3, 64, 1024, 64, 100, 3.572),
)
MEASURED = np.array([trial[-1] for trial in TRIALS])


def known(rows: np.ndarray) -> Features:
    sizes = [Architecture(n, d, 2, v, c) for n, d, v, c, _, _ in TRIALS]
    weights = [a.n_layers * (4 * a.d_model**2 + 3 * a.d_model * a.d_ff) for a in sizes]
    tokens = [1024 * steps for *_, steps, _ in TRIALS]
    return features(
        CandidateTable.of(sizes).take(rows),
        np.array(weights)[rows],
        np.array(tokens)[rows],
        corpus_bytes=TRAIN_BYTES,
    )


@pytest.mark.parametrize("n", [4, 8, 12, 16])
def test_a_real_trial_left_out_falls_into_the_interval_nine_times_in_ten(n: int) -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(60):
        left, *others = rng.permutation(len(TRIALS))[:n]
        prior = published().anchored(known(np.array(others)), MEASURED[others])
        guess = prior.predict(known(np.array([left])))
        inside.append(guess.low[0] <= MEASURED[left] <= guess.high[0])
    assert np.mean(inside) >= 0.85


def test_anchoring_guesses_real_trials_to_a_few_percent() -> None:
    errors, blind = [], []
    for left in range(len(TRIALS)):
        others = np.flatnonzero(np.arange(len(TRIALS)) != left)
        prior = published().anchored(known(others), MEASURED[others])
        for of, found in ((prior, errors), (published(), blind)):
            bits = of.predict(known(np.array([left]))).bits_per_byte[0]
            found.append(abs(np.log(bits / MEASURED[left])))
    assert np.median(errors) < 0.035
    assert np.median(errors) < np.median(blind) / 2


def test_the_first_interval_holds_every_real_trial() -> None:
    guess = published().predict(known(np.arange(len(TRIALS))))
    assert (guess.low < MEASURED).all()
    assert (guess.high > MEASURED).all()
