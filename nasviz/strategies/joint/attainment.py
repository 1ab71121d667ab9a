"""What fronts of several seeds reach: the best quality for a cost, its middle and its spread.

The empirical attainment of Fonseca & Fleming 1996, read along the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Attainment:
    """Bits per byte that are reached at each cost, (n,): of the best, middle and worst seed.

    Steps: each value holds from its cost up to the next one. Infinite where a seed, or half of
    them, reach nothing for so little.
    """

    cost: Floats
    best: Floats
    middle: Floats
    worst: Floats


def attainment(fronts: Sequence[ArrayLike]) -> Attainment:
    """Return what `fronts` reach, one (n, 2) of (bits per byte, cost) for each seed."""
    points = [np.asarray(front, np.float64).reshape(-1, 2) for front in fronts]
    cost = np.unique(np.concatenate([each[:, 1] for each in points]))
    reached = np.array([[_reached(each, limit) for limit in cost] for each in points])
    reached = reached.reshape(len(points), len(cost))
    return Attainment(cost, reached.min(axis=0), np.median(reached, axis=0), reached.max(axis=0))


def _reached(front: Floats, limit: float) -> float:
    payable = front[front[:, 1] <= limit, 0]
    return float(payable.min()) if len(payable) else np.inf
