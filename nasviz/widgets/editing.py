"""Changing one size of an architecture: the sizes that must fit it follow to their nearest fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nasviz.errors import InputError
from nasviz.space.architecture import NAMES, Architecture
from nasviz.space.dimensions import Dimension
from nasviz.space.ff_ratio import FF_RATIO, d_ff_of, ratio_on_grid
from nasviz.space.search_space import SearchSpace

_OF_LAYERS = ("n_layers", "n_heads", "n_kv_heads", "d_ff", FF_RATIO.name)


def editable(space: SearchSpace) -> tuple[Dimension, ...]:
    """Return the dimensions of a space that are sizes of an architecture (not of its training)."""
    return tuple(each for each in space.dimensions if each.name in (*NAMES, FF_RATIO.name))


def size_of(architecture: Architecture, dimension: Dimension) -> Any:
    """Return where an architecture stands along a dimension; a ratio is the nearest of its grid."""
    if dimension.name != FF_RATIO.name:
        return getattr(architecture, dimension.name)
    d_ff, d_model = np.array([architecture.d_ff]), np.array([architecture.d_model])
    if dimension.grid is None:
        return architecture.d_ff / architecture.d_model
    return float(ratio_on_grid(d_ff, d_model, dimension.grid)[0])


def edited(
    architecture: Architecture, space: SearchSpace, name: str, value: Any
) -> tuple[Architecture, tuple[str, ...]]:
    """Return the architecture with one size changed, and the names of those that had to follow.

    Heads that no longer divide the width go to the nearest number that does; a ratio of the
    feed-forward part is kept. Raises `InputError` where no fit is found, and for a size in which
    layers differ.
    """
    if architecture.layer_sizes and name in _OF_LAYERS:
        raise InputError("the layers differ here: change each of them in code")
    wanted: dict[str, Any] = {name: value}
    if name == FF_RATIO.name:
        wanted = {"d_ff": int(d_ff_of(value, architecture.d_model))}
    elif name == "d_model" and _keeps_ratio(architecture, space):
        ratio = size_of(architecture, space.dimension(FF_RATIO.name))
        wanted["d_ff"] = int(d_ff_of(ratio, value))
    try:
        return architecture.with_(**wanted), ()
    except InputError:
        for attempt in _fits(architecture, space, wanted, name):
            try:
                found = architecture.with_(**attempt)
            except InputError:
                continue
            return found, _followed(architecture, found, wanted)
        raise


def _keeps_ratio(architecture: Architecture, space: SearchSpace) -> bool:
    """Whether the feed-forward part follows the width: in a space of ratios, if it is one size."""
    return space.has_ff_ratio and FF_RATIO.name in space.names and not architecture.layer_sizes


def _followed(before: Architecture, after: Architecture, wanted: dict[str, Any]) -> tuple[str, ...]:
    """Return the heads that differ from what was asked for."""
    names = ["n_heads"]
    if before.n_kv_heads != before.n_heads:
        names.append("n_kv_heads")
    return tuple(
        name for name in names if getattr(after, name) != wanted.get(name, getattr(before, name))
    )


def _fits(
    architecture: Architecture, space: SearchSpace, wanted: dict[str, Any], name: str
) -> Iterator[dict[str, Any]]:
    """Yield changes with other heads than asked for, nearest first, key/value heads likewise."""
    heads = wanted.get("n_heads", architecture.n_heads)
    width = wanted.get("d_model", architecture.d_model)
    grouped = architecture.n_kv_heads != architecture.n_heads or name == "n_kv_heads"
    for n_heads in _nearest_first(_grid(space, "n_heads", width), heads):
        if not grouped:
            yield {**wanted, "n_heads": n_heads}
            continue
        kv_heads = wanted.get("n_kv_heads", architecture.n_kv_heads)
        for n_kv_heads in _nearest_first(_grid(space, "n_kv_heads", n_heads), kv_heads):
            yield {**wanted, "n_heads": n_heads, "n_kv_heads": n_kv_heads}


def _grid(space: SearchSpace, name: str, most: int) -> Sequence[int]:
    if name in space.names:
        grid = space.dimension(name).grid
        assert grid is not None  # heads are whole numbers
        return [int(each) for each in grid]
    return range(1, min(most, 256) + 1)


def _nearest_first(values: Sequence[int], wanted: int) -> list[int]:
    return sorted(values, key=lambda each: (abs(each - wanted), each))
