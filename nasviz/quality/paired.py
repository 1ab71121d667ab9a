"""Means over a few seeds with Student's interval: what is a difference and what is noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nasviz.errors import InputError

# The 97.5% quantiles of Student's t with 1 to 10 degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_Z = 1.959964


@dataclass(frozen=True)
class Interval:
    """The mean of `n` values and the 95% interval of that mean, were they normal.

    One value has no spread: its interval is the value, and it is never more than noise.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def within_noise(self) -> bool:
        """Whether the interval holds 0, or there is none."""
        return self.n < 2 or self.low <= 0 <= self.high

    def to_json(self) -> dict[str, Any]:
        """Return every figure by name, and whether it is noise."""
        return {**asdict(self), "within_noise": self.within_noise}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interval:
        """Return what `to_json` wrote."""
        return cls(data["mean"], data["low"], data["high"], data["n"])


def interval(values: ArrayLike) -> Interval:
    """Return the mean of `values`, shape (n,), with its 95% interval (Student 1908).

    Of differences of pairs it is the paired t-test's. Three seeds make it wide, as it should be: a
    bootstrap of so few would be narrower than the truth. Raises `InputError` for no values, and
    for what is no number.

    >>> found = interval([1.0, 2.0, 3.0])
    >>> round(found.low, 2), round(found.high, 2), found.within_noise
    (-0.48, 4.48, True)
    """
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise InputError(f"values={numbers.tolist()} are not one or more numbers")
    mean, n = float(numbers.mean()), len(numbers)
    if n == 1:
        return Interval(mean, mean, mean, 1)
    half = _quantile(n - 1) * float(numbers.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def _quantile(degrees: int) -> float:
    """Return Student's 97.5% quantile; beyond the table to 0.003 (Fisher & Cornish 1960)."""
    if degrees <= len(_T):
        return _T[degrees - 1]
    first = (_Z**3 + _Z) / (4 * degrees)
    return _Z + first + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * degrees**2)
