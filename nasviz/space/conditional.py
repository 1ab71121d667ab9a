"""Dimensions that mean something only where an option of inference is on.

A space may range over `early_exit` (on or off) and over `early_exit.threshold`. Where the option is
off its settings say nothing, so that all their values would be one candidate over and over. One of
them stands for all: the first value of each dimension. It is a rule like any other, so that counts
and uniform samples see each candidate once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.constraints import Constraint
from nasviz.space.fields import FIELDS
from nasviz.space.option_columns import setting_names
from nasviz.space.options.option import FitRule, Option
from nasviz.space.options.registry import OPTIONS

if TYPE_CHECKING:
    from nasviz.space.points import Points
    from nasviz.space.search_space import SearchSpace


def check_switches(space: SearchSpace) -> None:
    """Raise `InputError` for settings of an option that the space neither searches nor fixes."""
    for kind in OPTIONS:
        for name in setting_names(kind):
            if name in space.given and kind.NAME not in space.given:
                raise InputError(
                    f"the space sets {name} but not {kind.NAME}: fix it to true, or give it a "
                    "dimension with both choices"
                )


def option_rules(space: SearchSpace) -> list[Constraint]:
    """Return the rules of the options that the space may switch on.

    That settings say something only where their option is on, that they fit the sizes, and that
    options fit each other.
    """
    kinds = [kind for kind in OPTIONS if kind.NAME in space.given]
    rules = [rule for kind in kinds for rule in _of_one(space, kind)]
    for kind in kinds:
        for other, reason in kind.CONFLICTS.items():
            if other in space.given:
                names = (kind.NAME, other)
                said = f"{kind.NAME} can't be combined with {other}: {reason}"
                rules.append(Constraint(said, names, _not_both))
        rules += _of_settings(space, kind)
    return rules


def _of_settings(space: SearchSpace, kind: type[Option]) -> Iterator[Constraint]:
    """Yield the rules of what an option can't be combined with under some of its settings."""
    for each in kind.CONFLICTS_WHERE:
        setting = f"{kind.NAME}.{each.setting}"
        for other, reason in each.others.items():
            if other in space.given:
                said = f"{setting}={each.value} can't be combined with {other}: {reason}"
                holds = partial(_not_both_where, kind.NAME, setting, each.value, other)
                yield Constraint(said, (kind.NAME, setting, other), holds)


def canonical(space: SearchSpace, points: Points) -> Points:
    """Return `points` with the settings of options that are off at their first values."""
    changed = dict(points)
    for kind in OPTIONS:
        if kind.NAME not in points:
            continue
        off = ~points[kind.NAME].astype(bool)
        for name, first in _first_values(space, kind):
            changed[name] = np.where(off, first, points[name])
    return changed


def _of_one(space: SearchSpace, kind: type[Option]) -> Iterator[Constraint]:
    if kind.NAME in space.names:
        for name, stored in _first_values(space, kind):
            field = FIELDS[name]
            first = field.choices[stored] if field.kind == "choice" else stored  # as rules read it
            said = f"{kind.NAME} is off, so that {name} says nothing"
            holds = partial(_first_where_off, kind.NAME, name, first)
            yield Constraint(said, (kind.NAME, name), holds)
    for rule in kind.RULES:
        settings = tuple(f"{kind.NAME}.{name}" for name in rule.settings)
        earlier = _that_resize(space, kind, rule)
        holds = partial(_fits_where_on, kind.NAME, rule, earlier)
        names = (kind.NAME, *rule.sizes, *settings)
        yield Constraint(rule.reason, (*names, *_columns_of(earlier, rule)), holds)


def _that_resize(space: SearchSpace, kind: type[Option], rule: FitRule) -> tuple[type[Option], ...]:
    """Return the options that act before `kind` and change a size that its rule reads."""
    before = OPTIONS[: OPTIONS.index(kind)]
    return tuple(
        each for each in before if each.NAME in space.given and set(each.CHANGES) & {*rule.sizes}
    )


def _columns_of(earlier: tuple[type[Option], ...], rule: FitRule) -> Iterator[str]:
    for kind in earlier:
        yield kind.NAME
        for size in rule.sizes:
            if size in kind.CHANGES:
                yield from (f"{kind.NAME}.{name}" for name in kind.CHANGES[size].settings)


def _first_values(space: SearchSpace, kind: type[Option]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the first value, as tables store it, of each gridded setting."""
    settings = setting_names(kind)
    for dimension in space.dimensions:
        if dimension.name in settings and dimension.grid is not None:
            yield dimension.name, dimension.grid[0]


def _first_where_off(
    switch: str, name: str, first: Any, **columns: NDArray[Any]
) -> NDArray[np.bool_]:
    return np.asarray(columns[switch].astype(bool) | (columns[name] == first))


def _fits_where_on(
    switch: str, rule: FitRule, earlier: tuple[type[Option], ...], **columns: NDArray[Any]
) -> NDArray[np.bool_]:
    sizes = [_as_left(name, earlier, columns) for name in rule.sizes]
    settings = [columns[f"{switch}.{name}"] for name in rule.settings]
    return np.asarray(~columns[switch].astype(bool) | rule.holds(*sizes, *settings))


def _as_left(
    name: str, earlier: tuple[type[Option], ...], columns: Mapping[str, NDArray[Any]]
) -> NDArray[Any]:
    """Return the column of a size as the `earlier` options leave it."""
    size = columns[name]
    for kind in earlier:
        if name in kind.CHANGES:
            change = kind.CHANGES[name]
            settings = [columns[f"{kind.NAME}.{each}"] for each in change.settings]
            on = columns[kind.NAME].astype(bool)
            size = np.where(on, change.part(size, *settings), size)
    return size


def _not_both_where(
    switch: str, setting: str, value: str, other: str, **columns: NDArray[Any]
) -> NDArray[np.bool_]:
    on = columns[switch].astype(bool) & (columns[setting] == value)
    return np.asarray(~(on & columns[other].astype(bool)))


def _not_both(**columns: NDArray[Any]) -> NDArray[np.bool_]:
    one, other = columns.values()
    return np.asarray(~(one.astype(bool) & other.astype(bool)))
