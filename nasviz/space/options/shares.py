"""A share of a whole number: what options that keep a part of something round it to."""

from __future__ import annotations

import math
from typing import Any


def share_of(whole: Any, share: Any, step: int = 1) -> Any:
    """Return `share` of `whole`, to the nearest multiple of `step`: at least one, at most all.

    Share 1 is the whole itself, whatever the step. An integer for a single size; an array, of the
    broadcast shape, where `whole` or `share` is one.

    >>> share_of(12, 0.5), share_of(17, 0.5, step=8), share_of(17, 1.0, step=8), share_of(3, 0.01)
    (6, 8, 17, 1)
    """
    if isinstance(whole, int) and isinstance(share, int | float):
        rounded = step * math.floor(whole * share / step + 0.5)
        return whole if share >= 1 else min(whole, max(step, rounded))
    return _shares_of(whole, share, step)


def _shares_of(wholes: Any, shares: Any, step: int) -> Any:
    import numpy as np  # not at the top: an architecture alone needs no numpy

    rounded = step * np.floor(wholes * shares / step + 0.5)
    return np.where(shares >= 1, wholes, np.minimum(wholes, np.maximum(step, rounded)))
