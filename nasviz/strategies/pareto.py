"""Which trials are not beaten in everything, and how much they dominate. All values are minimised.

A row dominates another if it is nowhere worse and somewhere better. Equal rows don't dominate each
other: ties on the front are all kept. A row with a NaN has no place in the order: it is never on
the front and dominates nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.errors import InputError

Values = NDArray[np.float64]

# Share of the range by which the reference point lies beyond the worst values; the factor of
# BoTorch's `infer_reference_point` after Ishibuchi et al. 2011, doi:10.1145/2001576.2001679.
REFERENCE_MARGIN = 0.1


def as_values(values: ArrayLike) -> Values:
    """Return `values` as float64 of shape `(n, m)`; raises `InputError` for another shape."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or (array.size == 0 and array.shape[0] > 0):
        raise InputError(f"values have shape {array.shape}; wanted (n, m): a row a trial")
    return array


def nondominated(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows of `values`, shape `(n, m)`, no other row dominates; shape `(n,)`.

    O(n log n) for two objectives, O(n · front) beyond.

    >>> nondominated([[1.0, 3.0], [2.0, 2.0], [2.0, 4.0]]).tolist()
    [True, True, False]
    """
    array = as_values(values)
    kept: NDArray[np.bool_] = np.logical_not(np.isnan(array).any(axis=1))
    if array.shape[1] == 2:
        kept[kept] = _nondominated_pairs(array[kept])
    else:
        kept[kept] = _nondominated_rows(array[kept])
    return kept


def _nondominated_pairs(values: Values) -> NDArray[np.bool_]:
    order = np.lexsort((values[:, 1], values[:, 0]))
    first, second = values[order, 0], values[order, 1]
    # Best second value among rows with a strictly smaller first one, and among those that tie.
    starts = np.searchsorted(first, first, side="left")  # (n,) where each tie begins
    best = np.concatenate([[np.inf], np.minimum.accumulate(second)]) if len(second) else second
    mask = np.zeros(len(values), dtype=bool)
    if len(values):
        # Within a tie the first in order has the least second value: only its equals stay.
        unbeaten = (starts == 0) | (second < best[starts])
        mask[order] = unbeaten & (second == second[starts])
    return mask


def _nondominated_rows(values: Values) -> NDArray[np.bool_]:
    mask = np.ones(len(values), dtype=bool)
    # A row can only be dominated by one before it in lexicographic order: each survivor prunes.
    order = np.lexsort(values.T[::-1])
    for place, index in enumerate(order):
        if not mask[index]:
            continue
        rest = order[place + 1 :]
        rest = rest[mask[rest]]
        worse = (values[rest] >= values[index]).all(axis=1)
        equal = (values[rest] == values[index]).all(axis=1)
        mask[rest[worse & ~equal]] = False
    return mask


def front(values: ArrayLike) -> NDArray[np.int64]:
    """Return the indices of the nondominated rows, by their first value; shape `(k,)`."""
    array = as_values(values)
    indices = np.flatnonzero(nondominated(array))
    return indices[np.argsort(array[indices, 0], kind="stable")] if len(indices) else indices


def reference_point(values: ArrayLike) -> Values:
    """Return a point just beyond the worst finite value of each objective, shape `(m,)`.

    Raises `InputError` where no row is finite.
    """
    array = as_values(values)
    finite = array[np.isfinite(array).all(axis=1)]
    if not len(finite):
        raise InputError("no finite row to place a reference point by")
    worst, best = finite.max(axis=0), finite.min(axis=0)
    spread = np.where(worst > best, worst - best, np.maximum(np.abs(worst), 1e-12))
    return np.asarray(worst + REFERENCE_MARGIN * spread)


def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """Return the volume that `values`, shape `(n, m)`, dominate below `reference`, shape `(m,)`.

    Exact. Rows beyond the reference, and rows with NaN, add nothing. Zitzler & Thiele 1999,
    doi:10.1109/4235.797969; two objectives by a sweep, more by slicing along the last one
    (Fleischer 2003), which is meant for fronts of some hundreds in up to four dimensions.
    """
    array, corner = as_values(values), np.asarray(reference, dtype=np.float64)
    if corner.shape != (array.shape[1],):
        raise InputError(f"reference has shape {corner.shape}; wanted ({array.shape[1]},)")
    inside = (array < corner).all(axis=1)  # false for NaN
    array = array[inside]
    if not len(array):
        return 0.0
    return _volume(array[nondominated(array)], corner)


def _volume(values: Values, reference: Values) -> float:
    if values.shape[1] == 1:
        return float(reference[0] - values.min())
    if values.shape[1] == 2:
        ordered = values[np.lexsort((values[:, 1], values[:, 0]))]
        heights = np.concatenate([[reference[1]], ordered[:-1, 1]])
        heights = np.minimum.accumulate(heights)
        drops = np.maximum(heights - ordered[:, 1], 0.0)
        return float(((reference[0] - ordered[:, 0]) * drops).sum())
    ordered = values[np.argsort(values[:, -1], kind="stable")]
    tops = np.append(ordered[1:, -1], reference[-1])
    total = 0.0
    for count, (bottom, top) in enumerate(zip(ordered[:, -1], tops, strict=True), start=1):
        if top > bottom:
            slab = ordered[:count, :-1]
            total += (top - bottom) * _volume(slab[nondominated(slab)], reference[:-1])
    return total


def hypervolume_history(values: ArrayLike, reference: ArrayLike) -> Values:
    """Return the hypervolume after each row of `values`, in order; shape `(n,)`."""
    array = as_values(values)
    history = np.empty(len(array))
    kept = np.empty((0, array.shape[1]))
    volume = 0.0
    for index, row in enumerate(array):
        if not np.isnan(row).any():
            joined = np.vstack([kept, row])
            stays = nondominated(joined)
            if stays[-1]:
                kept = joined[stays]
                volume = hypervolume(kept, reference)
        history[index] = volume
    return history
