"""`Prior`: what published laws expect of a candidate, re-anchored on trials as they land.

    ln(bits per byte) = level + w · (features - centre) + noise

The first weight is that of the published laws (1 before any trial), the others correct their
slopes: more parameters, text and context have weights that can't be negative, so more never
predicts worse. Weights have independent normal beliefs around what is published, which is a ridge
regression; its posterior covariance makes the interval, narrow near trials and wide away from them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.quality.blocks import in_blocks
from nasviz.quality.features import Features
from nasviz.quality.records import Quality

Floats = NDArray[np.float64]

SOURCE = (
    "Geometric mean of two published laws: Chinchilla (Hoffmann et al. 2022, arXiv:2203.15556, as "
    "corrected by Besiroglu et al. 2024, arXiv:2404.10102), held below the entropy of bytes, and "
    "Kaplan et al. 2020, arXiv:2001.08361; vocabulary by Tao et al. 2024, arXiv:2407.13623; "
    "repeated text by Muennighoff et al. 2023, arXiv:2305.16264. Context: 4% fewer bits for each "
    "doubling of the bytes on the left is our assumption. Depth against width: no penalty (Kaplan "
    "et al. found 3% over a 40-fold change of shape)."
)

# Beliefs before any trial, in ln(bits): level, the law's weight, then slopes per e-fold of
# parameters, text, context, vocabulary and aspect. A doubling of context is worth 0.06 ln 2 = 4%.
# The two laws differ by 0.4 to 0.5 at a laptop's sizes: twice the level's deviation.
_MEAN = np.array([0.0, 1.0, 0.0, 0.0, 0.06, 0.0, 0.0])
_DEVIATION = np.array([0.25, 0.4, 0.06, 0.06, 0.05, 0.05, 0.05])
_SIGN = np.array([1.0, 1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
_NOT_NEGATIVE = np.array([False, True, True, True, True, False, False])

# A law's misfit and a seed's luck come to about 3%, a belief worth four trials. With these values
# 9 in 10 of sixteen real trials fall into the interval (`test_prior_on_real_trials.py`).
_NOISE, _NOISE_WORTH = 0.03, 4.0

# Where the level is believed in before any trial: a million parameters, ten million bytes.
_CENTRE = np.array([math.log(2.5), math.log(1e6), math.log(1e7), math.log(256), math.log(1024), 4])


@dataclass(frozen=True)
class Prediction:
    """Bits per byte of n candidates, with the bounds of nine times in ten, each `(n,)`."""

    bits_per_byte: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    label: str

    def quality(self, index: int) -> Quality:
        """Return the quality of one candidate, labelled as a prior."""
        bits, low, high = (float(a[index]) for a in (self.bits_per_byte, self.low, self.high))
        return Quality(bits, low, high, "prior", note=self.label)


@dataclass(frozen=True)
class Prior:
    """Beliefs about the weights; `published()` before any trial, `.anchored(…)` after some."""

    weights: Floats
    covariance: Floats
    noise: float
    n_trials: int
    reference: Floats
    shift: float
    source: str = SOURCE

    @property
    def label(self) -> str:
        """Words for the map's axis: what this is and how far it is to be believed."""
        if self.n_trials == 0:
            return "prior from published scaling laws, extrapolated far below the sizes they fit"
        trials = "1 trial" if self.n_trials == 1 else f"{self.n_trials} trials"
        return f"prior from published scaling laws, re-anchored on {trials} of this study"

    def predict(self, candidates: Features) -> Prediction:
        """Return the bits per byte of every candidate, with its interval."""
        factor = np.linalg.cholesky(self.covariance).astype(np.float32)
        weights = self.weights.astype(np.float32)
        quantile = np.float32(_quantile(self.n_trials + _NOISE_WORTH))

        def bits(*features: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
            columns = _centred(features, self.reference)
            mean = _combined(weights, columns) + np.float32(self.shift)
            variance: NDArray[np.float32] = np.full(1, self.noise**2, np.float32)
            for each in factor.T:  # the squares of [1, columns] @ factor sum to φᵀ Σ φ
                variance = variance + _combined(each, columns) ** 2
            half = quantile * np.sqrt(variance)
            return np.exp(mean), np.exp(mean - half), np.exp(mean + half)

        found = in_blocks(bits, candidates.columns(), candidates.length)
        middle, low, high = (np.broadcast_to(each, (candidates.length,)) for each in found)
        return Prediction(middle, low, high, self.label)

    def anchored(self, trials: Features, bits_per_byte: Any) -> Prior:
        """Return these published beliefs after trials with those features and measured bits.

        `bits_per_byte` has shape `(m,)`; give those of the search part of the text, since what
        is predicted guides a search. All of a study's trials are given each time: the result
        doesn't depend on what this prior was anchored on before.

        Raises `InputError` for measures that are not positive numbers, or not one a trial.
        """
        measured = np.atleast_1d(np.asarray(bits_per_byte, dtype=np.float64))
        if measured.shape != (trials.length,):
            raise InputError(f"{len(measured)} measures for {trials.length} trials")
        if not (np.isfinite(measured) & (measured > 0)).all():
            raise InputError("bits per byte are positive numbers; leave out trials that failed")
        if trials.length == 0:
            return published()
        rows = np.stack(
            [np.broadcast_to(each, (trials.length,)) for each in trials.columns()], axis=1
        ).astype(np.float64)  # (m, features)
        reference = rows.mean(axis=0)
        design = np.column_stack([np.ones(trials.length), rows - reference]) * _SIGN  # (m, 1 + f)
        # The law's own level goes with the law; the level's belief is about what it misses.
        target = np.log(measured) - reference[0]
        weights, covariance, noise = _posterior(design, target)
        return Prior(weights, covariance, noise, trials.length, reference, float(reference[0]))


def published() -> Prior:
    """Return the prior before any trial: the published laws, unsure of their level alone.

    Slopes can't be wrong from anywhere in particular yet: how wrong they are counts from the
    trials on, once there are some.
    """
    deviation = np.where(np.arange(len(_DEVIATION)) == 0, _DEVIATION, 1e-6)
    return Prior(_MEAN, np.diag(deviation**2), _NOISE, 0, _CENTRE, float(_CENTRE[0]))


def _centred(
    features: Sequence[NDArray[np.float32]], reference: Floats
) -> list[NDArray[np.float32]]:
    """Return the centred features, signed so that a positive weight on each means what it says."""
    return [
        np.float32(sign) * (feature - np.float32(middle))
        for sign, feature, middle in zip(_SIGN[1:], features, reference, strict=True)
    ]


def _combined(
    weights: NDArray[np.float32], columns: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return [1, columns] @ weights, leaving out what counts for nothing."""
    total: NDArray[np.float32] = np.full(1, weights[0], np.float32)
    for weight, column in zip(weights[1:], columns, strict=True):
        if weight:
            total = total + weight * column
    return total


def _posterior(design: Floats, target: Floats) -> tuple[Floats, Floats, float]:
    """Return weights, covariance and noise after `target` (m,) was seen at `design` (m, 1 + f).

    The noise is a mean of belief and residuals, found in a few rounds; what the weights took up
    of the residuals is made good by counting fewer trials (trace of the hat matrix).
    """
    noise = _NOISE
    gram = design.T @ design
    for _ in range(8):
        precision = np.diag(_DEVIATION**-2.0) + gram / noise**2
        pull = _MEAN / _DEVIATION**2 + design.T @ target / noise**2
        weights = _solve_not_negative(precision, pull)
        residual = float(((target - design @ weights) ** 2).sum())
        taken = float(np.trace(np.linalg.solve(precision, gram))) / noise**2
        left = _NOISE_WORTH + max(len(target) - taken, 0.0)
        noise = math.sqrt((_NOISE_WORTH * _NOISE**2 + residual) / left)
    return weights, np.asarray(np.linalg.inv(precision), dtype=np.float64), noise


def _solve_not_negative(precision: Floats, pull: Floats) -> Floats:
    """Return the weights that minimise the quadratic, those in `_NOT_NEGATIVE` being ≥ 0."""
    free = np.ones(len(pull), dtype=bool)
    while True:
        weights = np.zeros(len(pull))
        weights[free] = np.linalg.solve(precision[np.ix_(free, free)], pull[free])
        wrong = np.where(_NOT_NEGATIVE & (weights < 0), weights, 0.0)
        if not wrong.any():
            return weights
        free[int(wrong.argmin())] = False


def _quantile(freedom: float) -> float:
    """Return Student's 95% quantile to within 3% from 4 degrees of freedom on."""
    return 1.645 + 1.52 / freedom + 1.4 / freedom**2
