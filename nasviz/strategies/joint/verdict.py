"""Whether joint search won: a paired bootstrap over seeds, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from nasviz.errors import InputError

RESAMPLES = 10_000
CONFIDENCE = 0.95

Outcome = Literal["won", "lost", "within noise"]

_VERBS: Mapping[Outcome, str] = {
    "won": "won against",
    "lost": "lost against",
    "within noise": "was within noise of",
}


@dataclass(frozen=True)
class Difference:
    """The mean over `n` seeds of paired differences, and the bootstrap's interval of that mean.

    Few seeds make it narrower than it should be: resampling can't show what another seed would have
    added. One seed has no spread at all, and so its difference is never more than noise.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def outcome(self) -> Outcome:
        """Won or lost where the whole interval is on one side of 0, and else within noise."""
        if self.n < 2:
            return "within noise"
        if self.low > 0:
            return "won"
        return "lost" if self.high < 0 else "within noise"

    def to_json(self) -> dict[str, Any]:
        """Return every figure by name, and the outcome."""
        return {**asdict(self), "outcome": self.outcome}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Difference:
        """Return what `to_json` wrote."""
        return cls(data["mean"], data["low"], data["high"], data["n"])


def paired_difference(
    ours: ArrayLike, theirs: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Return the mean of `ours` - `theirs`, shape (n,) each, with its 95% percentile interval.

    Pairs are resampled with replacement (Efron & Tibshirani 1993, chapter 13), by a generator of
    that `seed`. Raises `InputError` for shapes that differ, no pairs, and values that are none.
    """
    one, other = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise InputError(f"pairs have shapes {one.shape} and {other.shape}; wanted (n,) twice")
    differences = one - other
    if not np.isfinite(differences).all():
        raise InputError(f"differences of seeds {differences.tolist()} hold values that are none")
    drawn = np.random.default_rng(seed).integers(0, len(one), (resamples, len(one)))
    means = differences[drawn].mean(axis=1)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Difference(float(differences.mean()), float(low), float(high), len(one))


def sentence(against: Mapping[str, Difference]) -> str:
    """Return the verdict in one sentence; `against` maps the other arms' names to differences.

    Differences are shares of the box between the origin and the reference point.
    """
    parts = [
        f"{_VERBS[each.outcome]} {name} ({100 * each.mean:+.2f} points of the box, {_spread(each)})"
        for name, each in against.items()
    ]
    seeds = next(iter(against.values())).n
    return f"Over {seeds} {'seed' if seeds == 1 else 'seeds'}, joint search {' and '.join(parts)}."


def _spread(difference: Difference) -> str:
    if difference.n < 2:
        return "without an interval"
    return f"95% interval {100 * difference.low:+.2f} to {100 * difference.high:+.2f}"
