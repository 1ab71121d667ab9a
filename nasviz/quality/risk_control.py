"""Settings whose risk is proven by tests on held-out data: Learn then Test.

Angelopoulos et al. 2021, arXiv:2110.01052: each setting is a hypothesis "its risk is above the
tolerance", a setting is used only if its hypothesis is rejected, and settings are tested in an
order fixed beforehand, from the safest on, up to the first that is not rejected. The chance that
any setting so passed has a risk above the tolerance is at most the level of the tests.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def betting_p_values(losses: Floats, tolerance: float, level: float) -> Floats:
    """Return the p-value of "the risk is above `tolerance`" for each setting, (t,).

    `losses` (t, u) lie between 0 and 1 and are independent along u; `tolerance` lies between. A
    gambler who bets on small losses can't win in the long run if the risk is above the tolerance:
    the p-value is the inverse of the most that he ever had of 1 (Ville's inequality; Waudby-Smith
    and Ramdas 2023, arXiv:2010.09686, whose stakes for tests at `level` these are).

    Where losses vary little, as means over many tokens do, this proves more from the same text
    than the bounds of Hoeffding and Bentkus, which think of losses of 0 and 1 alone.
    """
    n = losses.shape[1]
    seen = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(losses, axis=1)) / (seen + 1)
    variance = (0.25 + np.cumsum((losses - mean) ** 2, axis=1)) / (seen + 1)
    # A stake may know what came before alone.
    before = np.concatenate([np.full((len(losses), 1), 0.25), variance[:, :-1]], axis=1)
    stakes = np.minimum(1.0, np.sqrt(2 * math.log(1 / level) / (n * before)))
    wealth = np.cumsum(np.log1p(stakes * (tolerance - losses)), axis=1)  # ln
    return np.asarray(np.exp(-np.maximum(wealth.max(axis=1), 0.0)), dtype=np.float64)


def passed_in_order(p_values: ArrayLike, level: float) -> int:
    """Return how many settings pass: the first so many of `p_values` that are within `level`.

    >>> passed_in_order([0.001, 0.02, 0.3, 0.001], 0.05)
    2
    """
    failed = np.flatnonzero(np.asarray(p_values) > level)
    return int(failed[0]) if failed.size else np.size(p_values)


def losses_needed(tolerance: float, level: float) -> int:
    """Return how many losses of 0, to within 2%, prove a risk of at most `tolerance`."""
    n = math.ceil(math.log(1 / level) / math.log1p(tolerance))  # at full stakes from the start
    while betting_p_values(np.zeros((1, n)), tolerance, level)[0] > level:
        n += max(1, n // 50)
    return n
