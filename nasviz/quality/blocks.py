"""Arithmetic on long columns a stretch at a time, so that what is between stays in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Rows at once: a dozen float32 columns of them fit into a core's second-level cache.
ROWS = 1 << 14


def in_blocks(
    act: Callable[..., Sequence[Floats]], columns: Sequence[NDArray[Any]], length: int
) -> list[Floats]:
    """Return what `act(*columns)` does, worked out `ROWS` rows at a time.

    Columns have shape `(length,)`, or `(1,)` where all rows share a value, and so have the
    results. `act` works row by row: it must not look from one row to another.
    """
    if length <= ROWS or all(len(column) == 1 for column in columns):
        return list(act(*columns))
    results: list[Floats] = []
    for start in range(0, length, ROWS):
        stop = min(start + ROWS, length)
        parts = act(*(each if len(each) == 1 else each[start:stop] for each in columns))
        if not results:
            results = [
                np.empty(length, np.float32) if len(part) == stop - start else part
                for part in parts
            ]
        for result, part in zip(results, parts, strict=True):
            if len(result) == length:
                result[start:stop] = part
    return results
