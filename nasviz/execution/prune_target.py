"""The sizes to prune to: fewer layers, a file's, or the best that a limit leaves room for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.estimate import estimate
from nasviz.cost.units import printed
from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.importance import MEASURED
from nasviz.space.table import CandidateTable

Floats = NDArray[np.float64]

# A width is kept whole or cut to so many equal shares.
_SHARES = 16
# Sizes this near to the most that fit are taken for as large: among them the shape decides.
_ALIKE = 0.97
# More combinations than a table should hold at once are thinned out by layers.
_MOST = 400_000


def fewer_layers(parent: Architecture, n_layers: int) -> Architecture:
    """Return `parent` with so many layers; raises `InputError` where it hasn't as many."""
    _check_alike(parent)
    if not 1 <= n_layers <= parent.n_layers:
        raise InputError(
            f"n_layers={n_layers} can't be kept: the parent has {parent.n_layers}; choose from 1 "
            f"to {parent.n_layers}"
        )
    return parent.with_(n_layers=n_layers)


def most_parameters(
    parent: Architecture, limit: float, allowed: Callable[[Architecture], bool]
) -> Architecture:
    """Return the largest sizes below `parent` with at most `limit` weights.

    See `_largest` for what decides between equally large ones. Raises `InputError` where the limit
    can't be reached, naming the least that can.
    """

    def weights(table: CandidateTable) -> Floats:
        return np.asarray(estimate(table).parameters.total, dtype=np.float64)

    return _largest(parent, limit, weights, allowed, "parameters", "")


def most_time_per_token(
    parent: Architecture, limit: float, allowed: Callable[[Architecture], bool]
) -> Architecture:
    """Return the largest sizes below `parent` that need at most `limit` seconds a written token.

    The seconds are the cost model's, on this machine where it was calibrated. See `_largest`.
    """

    def seconds(table: CandidateTable) -> Floats:
        return np.asarray(estimate(table).latency.time_per_output_token_s, dtype=np.float64)

    return _largest(parent, limit, seconds, allowed, "time per token", "s")


def most_memory(
    parent: Architecture, limit: float, allowed: Callable[[Architecture], bool]
) -> Architecture:
    """Return the largest sizes below `parent` whose weights and cache take at most `limit` bytes.

    The cache is that of the usual workload after its last token. See `_largest`.
    """

    def held(table: CandidateTable) -> Floats:
        memory = estimate(table).memory
        return np.asarray(memory.weights_bytes + memory.kv_cache_bytes, dtype=np.float64)

    return _largest(parent, limit, held, allowed, "memory", "B")


def _largest(
    parent: Architecture,
    limit: float,
    measure: Callable[[CandidateTable], Floats],
    allowed: Callable[[Architecture], bool],
    name: str,
    unit: str,
) -> Architecture:
    """Return the sizes with the most weights whose `measure` is at most `limit`.

    Of those within 3% of the most weights it is the one whose most reduced size is reduced the
    least: no size is cut to the bone to spare another. Sizes that are not `allowed` are passed by.
    """
    _check_alike(parent)
    if not 0 < limit < math.inf:
        raise InputError(f"a limit of {limit!r} {name} is no positive number")
    table = _grid(parent)
    measured = measure(table)
    fits = np.flatnonzero(measured <= limit)
    if not len(fits):
        least = printed(float(measured.min()), unit) if unit else f"{int(measured.min()):,}"
        raise InputError(
            f"{name} of at most {limit:g} can't be reached: the smallest that pruning leaves of "
            f"this parent has {least}"
        )
    weights = np.asarray(estimate(table).parameters.total, dtype=np.float64)[fits]
    shares = np.min(
        [np.asarray(table[each])[fits] / getattr(parent, each) for each in MEASURED], axis=0
    )
    alike = weights >= _ALIKE * weights.max()
    order = np.lexsort((-weights, -shares, ~alike))
    for place in order:
        found = table.row(int(fits[place])).architecture
        if allowed(found):
            return found
    raise InputError(f"no sizes within {name} {limit:g} are of a family that the parent is of")


def _check_alike(parent: Architecture) -> None:
    """Raise `InputError` where the parent's layers differ: sizes follow from which of them stay."""
    if parent.layer_sizes:
        raise InputError(
            "the parent's layers differ in their sizes: say what pruning leaves of each "
            "(layer_sizes of an architecture), or which parts are kept"
        )


def _grid(parent: Architecture) -> CandidateTable:
    """Return the parent's layers, widths, KV groups and feed-forward sizes in every combination."""
    group = parent.n_heads // parent.n_kv_heads
    widths = {*_shared(parent.d_model)}
    widths |= {parent.head_dim * heads for heads in range(1, parent.n_heads + 1)}
    d_model = np.array(sorted(width for width in widths if 2 <= width <= parent.d_model))
    d_ff, kv_heads = _shared(parent.d_ff), np.arange(1, parent.n_kv_heads + 1)
    others = len(d_model) * len(d_ff) * len(kv_heads)
    step = max(1, -(-parent.n_layers * others // _MOST))
    n_layers = np.arange(parent.n_layers, 0, -step)
    mesh = np.meshgrid(n_layers, d_model, d_ff, kv_heads, indexing="ij")
    layers, width, inner, kv = (each.ravel() for each in mesh)
    return CandidateTable.from_columns(
        {
            **parent.to_json(),
            "n_layers": layers,
            "d_model": width,
            "d_ff": inner,
            "n_kv_heads": kv,
            "n_heads": kv * group,
        }
    )


def _shared(size: int) -> NDArray[np.int64]:
    """Return a size cut to 1/16, 2/16 … of itself, no two alike."""
    return np.unique(np.ceil(np.arange(1, _SHARES + 1) * size / _SHARES).astype(np.int64))
