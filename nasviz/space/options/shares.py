"""A share of a whole number: what options that keep a part of something round it to."""

from __future__ import annotations

from typing import Any

import numpy as np


def share_of(whole: Any, share: Any, step: int = 1) -> Any:
    """Return `share` of `whole`, to the nearest multiple of `step`: at least one, at most all.

    Share 1 is the whole itself, whatever the step. An integer for a single size; an array, of the
    broadcast shape, where `whole` or `share` is one.

    >>> share_of(12, 0.5), share_of(17, 0.5, step=8), share_of(17, 1.0, step=8), share_of(3, 0.01)
    (6, 8, 17, 1)
    """
    rounded = step * np.floor(whole * share / step + 0.5)
    part = np.minimum(whole, np.maximum(step, rounded))
    found = np.where(share >= 1, whole, part)
    return found if found.ndim else int(found)
