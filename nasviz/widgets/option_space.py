"""Options of inference in a search space: off, on, or both searched, and where a range begins.

An option's settings that stand at one value are fixed in the space's base where it is not their
default; those that stand at several are dimensions. So a space holds what is searched and nothing
else, whatever the options.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, cast

from nasviz.errors import InputError
from nasviz.space.dimensions import Choice, Dimension, Real
from nasviz.space.field import Field, Value
from nasviz.space.fields import FIELDS
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS, setting_fields
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.ranges import Ranges

Mode = Literal["off", "on", "both"]
MODES: tuple[Mode, ...] = ("off", "on", "both")

# Numbers within one unit (shares, thresholds) go by this step, and begin so far around a default.
_STEP, _AROUND = 0.05, 0.2
# Other numbers are doubled and halved so often from their default.
_DOUBLINGS = 3


def option_of(name: str) -> type[Option] | None:
    """Return the option that the field `name` belongs to: its switch or one of its settings."""
    return next((kind for kind in OPTIONS if name.split(".", maxsplit=1)[0] == kind.NAME), None)


def searched_settings(kind: type[Option]) -> tuple[Field, ...]:
    """Return the settings that a space may range over: lists have no dimension."""
    return tuple(field for field in setting_fields(kind) if not field.is_list)


def mode_of(space: SearchSpace, kind: type[Option]) -> Mode:
    """Return whether a space has an option off, on, or both."""
    if kind.NAME in space.base:
        return "on" if space.base[kind.NAME] else "off"
    if kind.NAME not in space.names:
        return "off"
    switch = cast(Choice, space.dimension(kind.NAME))
    return "both" if len(switch.choices) > 1 else "on" if switch.choices[0] else "off"


def with_mode(space: SearchSpace, kind: type[Option], mode: Mode) -> SearchSpace:
    """Return the space with an option off, on or both; its settings begin at their usual values.

    The first setting, an option's main one, begins with a range, the others at their defaults. An
    option that needs sizes which the space says nothing of brings them, and takes them away again.
    Raises `InputError` where it can't be combined with another option that is on.
    """
    if mode == "off":
        brought = [each.name for each in brought_by(kind) if each in space.dimensions]
        settings = [field.name for field in setting_fields(kind)]
        return _without(space, kind.NAME, *settings, *brought)
    if mode == "on":
        _check_conflicts(space, kind)
        changed = space.fixed(kind.NAME, True)
    else:
        changed = space.with_dimension(Choice(kind.NAME, (False, True)))
    for dimension in brought_by(kind):
        if dimension.name not in space.given:
            changed = changed.with_dimension(dimension)
    main = searched_settings(kind)[0]
    return changed if main.name in space.given else with_range(changed, main, starting_range(main))


def brought_by(kind: type[Option]) -> tuple[Dimension, ...]:
    """Return the sizes that a space gets with an option where it says nothing of them."""
    return tuple(Choice(name, values) for name, values in kind.BRINGS.items())


def with_range(space: SearchSpace, field: Field, kept: Sequence[Any]) -> SearchSpace:
    """Return the space with a setting that ranges over `kept`: ends of numbers, or choices.

    A single value is fixed, unless it is the default, which needs no word; more make a dimension of
    all its usual values, to be narrowed. A dimension that the space has already stays as it is.
    """
    values = list(dict.fromkeys(kept))
    if len(values) == 1:
        default = values[0] == field.default
        one = _without(space, field.name) if default else space.fixed(field.name, values[0])
        kind = option_of(field.name)
        if kind is not None and mode_of(one, kind) == "on":
            _check_conflicts(one, kind)
        return one
    if field.name in space.names:
        return space
    return space.with_dimension(whole_dimension(field))


def starting_ranges(space: SearchSpace, before: Mapping[str, Sequence[Any]]) -> Ranges:
    """Return `before` without dimensions that a space no longer has, with starts for new ones."""
    kept = {name: list(each) for name, each in before.items() if name in space.names}
    for dimension in space.dimensions:
        kind = option_of(dimension.name)
        if kind is not None and dimension.name not in kept and dimension.name != kind.NAME:
            kept[dimension.name] = starting_range(dimension.field)
    return kept


def starting_range(field: Field) -> list[Any]:
    """Return the range with which a setting's knob begins: a little around its default.

    Shares go 0.2 either way, other numbers to a half and to the double, choices stand at one.
    """
    if field.kind in ("choice", "switch"):
        return [field.default]
    default = cast(float, field.default)
    low, high = (
        (default - _AROUND, default + _AROUND) if _is_share(field) else (default / 2, default * 2)
    )
    within = [each for each in usual_values(field) if low - 1e-9 <= each <= high + 1e-9]
    return [within[0], within[-1]]


def usual_values(field: Field) -> tuple[Any, ...]:
    """Return the values that a setting's knob has, rising: the catalogue's range, thinned out.

    Choices are all of them. Numbers within one unit go by 0.05, others from an eighth of their
    default to its eightfold by doubling, always within the catalogue's range; where the default is
    0, that and 1 to 8.
    """
    if field.kind == "choice":
        return field.choices
    if field.kind == "switch":
        return (False, True)
    values = _even_steps(field) if _is_share(field) else _doublings(field)
    return tuple(int(each) for each in values) if field.kind == "integer" else values


def _even_steps(field: Field) -> tuple[float, ...]:
    low, high = cast(float, field.low), cast(float, field.high)
    first, last = math.ceil(low / _STEP - 1e-9), math.floor(high / _STEP + 1e-9)
    steps = {round(_STEP * k, 9) for k in range(first, last + 1)}
    return tuple(sorted({cast(float, field.default), *steps}))


def _doublings(field: Field) -> tuple[float, ...]:
    default = cast(float, field.default)
    powers = [2.0**power for power in range(-_DOUBLINGS, _DOUBLINGS + 1)]
    ladder = [default * each for each in powers] if default else [0, *(p for p in powers if p >= 1)]
    low = -math.inf if field.low is None else field.low
    high = math.inf if field.high is None else field.high
    whole = field.kind == "integer"
    return tuple(e for e in ladder if low <= e <= high and (e == int(e) or not whole))


def whole_dimension(field: Field) -> Dimension:
    """Return the dimension of all usual values of a setting."""
    values = usual_values(field)
    if _is_share(field) and _even(values):
        return Real(field.name, values[0], values[-1], step=_STEP)
    return Choice(field.name, values)


def setting_values(space: SearchSpace, ranges: Mapping[str, Sequence[Any]], field: Field) -> Any:
    """Return what a setting's knob shows: `[low, high]` of numbers, the choices of others."""
    if field.name in space.names:
        return list(ranges[field.name])
    value: Value = cast(Value, space.base.get(field.name, field.default))
    return [value, value] if field.kind in ("integer", "real") else [value]


def _is_share(field: Field) -> bool:
    if field.kind != "real" or field.low is None or field.high is None:
        return False
    return field.high - field.low <= 1


def _even(values: Sequence[float]) -> bool:
    return all(abs(b - a - _STEP) < 1e-9 for a, b in pairwise(values))


def _without(space: SearchSpace, *names: str) -> SearchSpace:
    """Return the space without dimensions and fixed values of those names."""
    dimensions = tuple(each for each in space.dimensions if each.name not in names)
    base = {name: value for name, value in space.base.items() if name not in names}
    return replace(space, dimensions=dimensions, base=base)


def _check_conflicts(space: SearchSpace, kind: type[Option]) -> None:
    for other in OPTIONS:
        reason = _conflicts(space, kind).get(other.NAME) or _conflicts(space, other).get(kind.NAME)
        if reason and mode_of(space, other) == "on":
            raise InputError(
                f"{kind.LABEL} can't be combined with {other.LABEL.lower()}: {reason}; set one of "
                "them to off or both"
            )


def _conflicts(space: SearchSpace, kind: type[Option]) -> dict[str, str]:
    """Return what an option can't be combined with where its settings stand in the space."""
    found = dict(kind.CONFLICTS)
    for each in kind.CONFLICTS_WHERE:
        name = f"{kind.NAME}.{each.setting}"
        if space.base.get(name, FIELDS[name].default) == each.value and name not in space.names:
            found.update(each.others)
    return found
