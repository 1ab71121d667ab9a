"""The part of a search space that the sliders leave: ranges by name, plain data both ways.

A range is `[low, high]` for a dimension of numbers and a list of kept choices for the others; it
is what the sliders send, what the map filters by in the browser, and `explorer.ranges`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nasviz.errors import InputError
from nasviz.space.dimensions import Choice, Dimension
from nasviz.space.search_space import SearchSpace

Ranges = dict[str, list[Any]]


def is_numeric(dimension: Dimension) -> bool:
    """Whether a dimension is narrowed by its ends, rather than by a list of choices."""
    return dimension.field.kind in ("integer", "real")


def full_range(dimension: Dimension) -> list[Any]:
    """Return the range that leaves a dimension whole."""
    if not is_numeric(dimension):
        assert isinstance(dimension, Choice)  # only a choice holds names and switches
        return list(dimension.choices)
    if isinstance(dimension, Choice):
        return [min(dimension.choices), max(dimension.choices)]
    return [dimension.low, dimension.high]


def full_ranges(space: SearchSpace) -> Ranges:
    """Return the ranges that leave a space whole, in the order of its dimensions."""
    return {dimension.name: full_range(dimension) for dimension in space.dimensions}


def checked_ranges(space: SearchSpace, given: Mapping[str, Sequence[Any]]) -> Ranges:
    """Return `given` completed by the whole range of each dimension that it leaves out.

    Raises `InputError` for unknown dimensions, and for ranges with nothing in them.
    """
    ranges = full_ranges(space)
    for name, kept in given.items():
        dimension = space.dimension(name)
        if not isinstance(kept, Sequence) or isinstance(kept, str):
            raise InputError(f"{name}={kept!r} is no range; give [low, high] or a list of choices")
        if is_numeric(dimension) and len(kept) != 2:
            raise InputError(f"{name}={list(kept)!r} is no range; give [low, high]")
        _narrowed(space, dimension, kept)
        ranges[name] = list(kept)
    return ranges


def narrowed_to(space: SearchSpace, ranges: Mapping[str, Sequence[Any]]) -> SearchSpace:
    """Return the space that `ranges` leave of it; raises `InputError` where nothing is left."""
    for dimension in space.dimensions:
        kept = ranges.get(dimension.name)
        if kept is not None and list(kept) != full_range(dimension):
            space = _narrowed(space, dimension, kept)
    return space


def _narrowed(space: SearchSpace, dimension: Dimension, kept: Sequence[Any]) -> SearchSpace:
    if is_numeric(dimension):
        return space.narrowed(dimension.name, kept[0], kept[1])
    return space.narrowed(dimension.name, choices=list(kept))
