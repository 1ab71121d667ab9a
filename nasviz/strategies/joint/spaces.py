"""The spaces that the arms of a comparison search, all made from the one that was given."""

from __future__ import annotations

from dataclasses import replace

from nasviz.errors import InputError
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.option_columns import setting_names
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.registry import OPTIONS
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import decode_value
from nasviz.strategies.grid import point_of
from nasviz.strategies.strategy import Proposal

THRESHOLD = f"{EarlyExit.NAME}.threshold"
OPTION_NAMES = frozenset(
    name for kind in OPTIONS for name in (kind.NAME, *setting_names(kind))
)  # fmt: skip


def check_dynamic(space: SearchSpace) -> None:
    """Raise `InputError` for a space without a dynamic setting to search, or without a size."""
    dynamic = [name for name in space.names if name in OPTION_NAMES]
    if not dynamic:
        raise InputError(
            f"the space {space.name!r} has no dynamic setting to search; add a dimension such as "
            "early_exit = [false, true]"
        )
    if len(dynamic) == len(space.names):
        raise InputError(
            f"the space {space.name!r} searches dynamic settings only; add a size, such as n_layers"
        )


def static_space(space: SearchSpace) -> SearchSpace:
    """Return the space of the same sizes with every option of inference off."""
    dimensions = tuple(each for each in space.dimensions if each.name not in OPTION_NAMES)
    base = {name: value for name, value in space.base.items() if name not in OPTION_NAMES}
    return replace(space, dimensions=dimensions, base=base)


def joint_space(space: SearchSpace) -> SearchSpace:
    """Return the space of sizes and dynamic settings, but for the exit threshold.

    That one needs no training: the inner loop takes it from the sweep.
    """
    return replace(space, dimensions=tuple(d for d in space.dimensions if d.name != THRESHOLD))


def settings_space(space: SearchSpace, winner: Proposal) -> SearchSpace:
    """Return the joint space with every size, and training setting, fixed at a static winner's."""
    point = point_of(static_space(space), winner)
    found = joint_space(space)
    for dimension in static_space(space).dimensions:
        value = decode_value(dimension.field, point[dimension.name][0])
        found = found.fixed(dimension.name, value)
    return found


def threshold_range(space: SearchSpace) -> tuple[float, float]:
    """Return the lowest and highest exit threshold that the space allows; by itself 0 and 1."""
    for dimension in space.dimensions:
        if dimension.name == THRESHOLD:
            if isinstance(dimension, Integer | Real):
                return float(dimension.low), float(dimension.high)
            assert isinstance(dimension, Choice)
            return float(dimension.grid.min()), float(dimension.grid.max())
    if THRESHOLD in space.base:
        value = float(space.base[THRESHOLD])
        return value, value
    return 0.0, 1.0
