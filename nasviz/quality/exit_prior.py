"""Where tokens would leave, before anything was measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def prior_exit_shares(thresholds: ArrayLike) -> NDArray[np.float64]:
    """Return a guess of the share of tokens that leave at each exit, (…, E + 1), last the whole.

    `thresholds` (…, E) are the exits' own. Each exit lets a share of 1 - threshold go of the tokens
    that reach it, whatever the criterion, the model and the text. That is a rule of thumb with the
    right ends (all leave at 0, none at 1), the one that costs rest on before a measurement; it is a
    prior and no result.

    >>> prior_exit_shares([0.5, 0.75]).tolist()
    [0.5, 0.125, 0.375]
    """
    stay = np.asarray(thresholds, float)
    reached = np.cumprod(np.concatenate([np.ones((*stay.shape[:-1], 1)), stay], axis=-1), axis=-1)
    return np.concatenate([reached[..., :-1] * (1 - stay), reached[..., -1:]], axis=-1)
