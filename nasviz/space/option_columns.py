"""Inference policies as columns of a table: a switch an option, and a column a setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.inference import InferencePolicy
from nasviz.space.layer_column import LAYER_SIZES
from nasviz.space.options.option import Option, Setting
from nasviz.space.options.registry import OPTIONS

Column = NDArray[Any]
Encode = Callable[[str, Any], Column]


def option_columns(policies: Sequence[InferencePolicy]) -> dict[str, list[Setting]]:
    """Return the columns of every option that a policy has on, a value a policy."""
    columns: dict[str, list[Setting]] = {}
    for kind in OPTIONS:
        found = [policy.get(kind) for policy in policies]
        if any(found):
            columns[kind.NAME] = [option is not None for option in found]
            settings = [option or kind() for option in found]
            for name in setting_names(kind):
                columns[name] = [getattr(each, name.split(".")[1]) for each in settings]
    return columns


def setting_names(kind: type[Option]) -> tuple[str, ...]:
    """Return the names of the option's columns besides its switch."""
    return tuple(f"{kind.NAME}.{field.name}" for field in kind.FIELDS)


def fill_options(columns: MutableMapping[str, Column], encode: Encode) -> None:
    """Add the settings that options in `columns` lack, and set them to defaults where it is off.

    Raises `InputError` for settings of an option whose switch is missing.
    """
    for kind in OPTIONS:
        names = setting_names(kind)
        if kind.NAME not in columns:
            for name in names:
                if name in columns:
                    raise InputError(f"the table has {name} but not {kind.NAME}: is it on?")
            continue
        on = columns[kind.NAME]
        for field, name in zip(kind.FIELDS, names, strict=True):
            default = encode(name, () if field.is_list else field.default)
            given = columns.get(name, default)
            columns[name] = given if on.all() else np.where(on, given, default)


def with_equal_options(tables: Sequence[Any], encode: Encode) -> list[Mapping[str, Column]]:
    """Return each table's columns, with the options that it lacks and another has switched off."""
    kinds = [each for each in OPTIONS if any(each.NAME in table.columns for table in tables)]
    full: list[Mapping[str, Column]] = []
    for table in tables:
        columns = dict(table.columns)
        for kind in kinds:
            columns.setdefault(kind.NAME, np.array([False]))
        fill_options(columns, encode)
        full.append(columns)
    return full


def rows_with_lists(columns: Mapping[str, Column], length: int) -> NDArray[np.intp]:
    """Return the rows of a table with a list as a setting, which columns of numbers can't say."""
    found = np.zeros(length, dtype=bool)
    for name, column in columns.items():
        if column.dtype == object and name != LAYER_SIZES:
            found |= np.array([bool(each) for each in column])
    return np.flatnonzero(found)
