"""Where one road to a model overtakes another: two curves of quality against compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Road:
    """What a road came to after so much compute: both (n,), `compute` above 0 and rising.

    Between two points bits per byte run straight over the logarithm of compute, as learning curves
    nearly do; beyond its ends a road says nothing. Raises `InputError` for anything else.
    """

    compute: Floats
    bits_per_byte: Floats

    @classmethod
    def of(cls, compute: ArrayLike, bits_per_byte: ArrayLike) -> Road:
        """Return the road through these points, in order of compute; unknown values left out.

        >>> Road.of([1, 2, 4], [3.0, float("nan"), 2.0]).compute.tolist()
        [1.0, 4.0]
        """
        xs, ys = np.asarray(compute, np.float64), np.asarray(bits_per_byte, np.float64)
        if xs.ndim != 1 or xs.shape != ys.shape:
            raise InputError(
                f"a road has as much compute as bits per byte, not shapes {xs.shape} and {ys.shape}"
            )
        known = np.isfinite(xs) & np.isfinite(ys)
        xs, ys = xs[known], ys[known]
        if not (np.all(xs > 0) and np.all(np.diff(xs) > 0)):
            raise InputError("a road's compute is above 0 and rises from point to point")
        return cls(xs, ys)

    def at(self, compute: Floats) -> Floats:
        """Return the bits per byte at amounts of compute between its ends."""
        found: Floats = np.interp(np.log(compute), np.log(self.compute), self.bits_per_byte)
        return found


def overtaken_at(leader: Road, challenger: Road) -> float | None:
    """Return the compute from which on `challenger` is at least as good as `leader`.

    It is held to that for all the compute that both roads reach, and where it is as good from the
    start of that stretch, the start is returned. None where it is behind at the end, or where no
    compute is reached by both.

    >>> pruned = Road.of([4, 16], [2.0, 1.8])
    >>> scratch = Road.of([1, 4, 16], [4.0, 2.2, 1.6])
    >>> round(overtaken_at(pruned, scratch), 9)
    8.0
    """
    if not (len(leader.compute) and len(challenger.compute)):
        return None
    low = max(leader.compute[0], challenger.compute[0])
    high = min(leader.compute[-1], challenger.compute[-1])
    if low > high:
        return None
    inner = [each[(each > low) & (each < high)] for each in (leader.compute, challenger.compute)]
    places = np.unique(np.concatenate([[low, high], *inner]))
    behind = challenger.at(places) - leader.at(places)  # straight between two places, in log
    if behind[-1] > 0:
        return None
    late = np.flatnonzero(behind > 0)
    if not len(late):
        return float(places[0])
    before = int(late[-1])
    share = behind[before] / (behind[before] - behind[before + 1])
    steps = np.log(places[before : before + 2])
    return float(np.exp(steps[0] + share * (steps[1] - steps[0])))
