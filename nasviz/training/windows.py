"""The order in which training text is read: shuffled windows, none twice in one epoch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.integer]


def windows_per_epoch(n_tokens: int, length: int) -> int:
    """Return how many windows of `length` tokens and one more to predict an epoch has."""
    return max(1, (n_tokens - length) // length)


def epoch_starts(n_tokens: int, length: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the first token of each window of one epoch, in the order they are read.

    Windows don't overlap. Each epoch has its own order, and cuts the text at its own places.
    """
    count = windows_per_epoch(n_tokens, length)
    random = np.random.default_rng((seed, epoch))
    slack = n_tokens - 1 - count * length
    offset = int(random.integers(0, min(slack, length - 1) + 1))
    return random.permutation(count).astype(np.int64) * length + offset


def batch(
    tokens: Tokens, length: int, seed: int, first: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return inputs and targets, each (size, length), of the windows `first` … `first + size - 1`.

    Windows are numbered on through the epochs, so that any part of the order can be had at once:
    a run that goes on after an interruption reads what it would have read.
    """
    count = windows_per_epoch(len(tokens), length)
    numbers = np.arange(first, first + size)
    starts = np.empty(size, dtype=np.int64)
    for epoch in np.unique(numbers // count):
        here = numbers // count == epoch
        starts[here] = _order(len(tokens), length, seed, int(epoch))[numbers[here] % count]
    rows = tokens[starts[:, None] + np.arange(length + 1)].astype(np.int64)  # (size, length + 1)
    return np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, 1:])


_order = lru_cache(maxsize=2)(epoch_starts)
