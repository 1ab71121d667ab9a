"""The inner loop: which points of a trained model are worth having. Arithmetic, no training."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.strategies.pareto import as_values, hypervolume

Floats = NDArray[np.float64]


def greedy(
    values: ArrayLike, reference: ArrayLike, most: int, archive: ArrayLike | None = None
) -> list[int]:
    """Return which rows of `values`, shape (n, m), to take: each adds most hypervolume in its turn.

    At most so many, none that adds nothing to `archive`, shape (k, m), and to those before it. Of
    equal ones the first. Hypervolume is submodular, so that this reaches at least 1 - 1/e of
    what the best choice would (Nemhauser et al. 1978, doi:10.1007/BF01588971).

    >>> greedy([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [3.0, 3.0]], [4.0, 4.0], 2)
    [1, 0]
    """
    rows = as_values(values)
    kept = np.empty((0, rows.shape[1])) if archive is None else as_values(archive)
    chosen: list[int] = []
    volume = hypervolume(kept, reference)
    while len(chosen) < most:
        volumes = [hypervolume(np.vstack([kept, row]), reference) for row in rows]
        best = int(np.argmax(volumes)) if volumes else 0
        if not volumes or volumes[best] <= volume:
            break
        kept, volume = np.vstack([kept, rows[best]]), volumes[best]
        chosen.append(best)
    return chosen


def chosen_points(
    values: ArrayLike, reference: ArrayLike, most: int, archive: ArrayLike
) -> list[int]:
    """Return the rows that a trained model enters its arm's archive with: at least one.

    Those that add most to the archive; where none adds anything, the one that alone dominates
    most, so that a strategy hears of what it asked for.
    """
    found = greedy(values, reference, most, archive)
    if found:
        return found
    return [int(np.argmax([hypervolume([row], reference) for row in as_values(values)]))]
