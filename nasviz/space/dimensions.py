"""The dimensions of a search space: whole numbers, real numbers, choices.

Each one has a name of the field catalogue (or `ff_ratio`), and either a `grid` of values, as
tables store them, or, for a real number without a step, a continuous range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError, unknown_name
from nasviz.space.ff_ratio import space_field
from nasviz.space.field import Field, Kind, Value
from nasviz.space.table import encode_column

Grid = NDArray[Any]

MAX_GRID = 1_000_000


class _OfField:
    """What every dimension has from the catalogue, by its name."""

    name: str

    @property
    def field(self) -> Field:
        """The catalogue's entry."""
        return space_field(self.name)

    @property
    def label(self) -> str:
        """What a person reads: `Layers`."""
        return self.field.label


@dataclass(frozen=True)
class Integer(_OfField):
    """Whole numbers from `low` to `high`: every `step`-th, or with `log` each doubling of `low`.

    Raises `InputError` for a field that is no whole number, and for an empty or reversed range.
    """

    name: str
    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        field = _field_of_kind(self.name, "integer")
        _set(self, low=field.check(self.low), high=field.check(self.high))
        _check_order(self.name, self.low, self.high)
        if isinstance(self.step, bool) or not isinstance(self.step, int) or self.step < 1:
            raise InputError(f"{self.name}: step={self.step!r} is not a whole number from 1 up")
        if self.log and self.step != 1:
            raise InputError(f"{self.name}: a log range doubles, so step={self.step} has no place")
        if self.log and self.low < 1:
            raise InputError(
                f"{self.name}: low={self.low} can't be doubled; start a log range at 1"
            )
        if not self.log and (self.high - self.low) // self.step >= MAX_GRID:
            raise InputError(
                f"{self.name}: {self.low} to {self.high} has more than {MAX_GRID:,} values; "
                "give it a step or log=True"
            )

    @property
    def grid(self) -> Grid:
        """Every value, in order, shape `(k,)`."""
        if not self.log:
            return np.arange(self.low, self.high + 1, self.step, dtype=np.int64)
        doublings = (self.high // self.low).bit_length()
        return np.array([self.low << power for power in range(doublings)], dtype=np.int64)

    def narrowed(self, low: float | None, high: float | None) -> Integer:
        """Return the part of this grid between `low` and `high`."""
        kept = _between(self.name, self.grid, low, high)
        return replace(self, low=int(kept[0]), high=int(kept[-1]))

    def to_json(self) -> dict[str, Value]:
        """Return `{"low": …, "high": …}`, with `step` or `log` where they say something."""
        return _range_json(self.low, self.high, None if self.step == 1 else self.step, self.log)


@dataclass(frozen=True)
class Real(_OfField):
    """Real numbers from `low` to `high`: a continuous range, or a grid with a `step`.

    With `log` the range is drawn and scaled by its logarithm. Raises `InputError` for an empty
    or reversed range, and for a log range that does not start above 0.
    """

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        field = _field_of_kind(self.name, "real")
        _set(self, low=field.check(self.low), high=field.check(self.high))
        _check_order(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise InputError(f"{self.name}: low={self.low:g} has no logarithm; start above 0")
        if self.step is None:
            return
        if isinstance(self.step, bool) or not isinstance(self.step, int | float) or self.step <= 0:
            raise InputError(f"{self.name}: step={self.step!r} is not a number above 0")
        if self.log:
            raise InputError(f"{self.name}: a range has a step or a logarithm, not both")
        if (self.high - self.low) / self.step >= MAX_GRID:
            raise InputError(f"{self.name}: step={self.step:g} gives more than {MAX_GRID:,} values")

    @property
    def grid(self) -> Grid | None:
        """Every value, in order, shape `(k,)`; None for a continuous range."""
        if self.low == self.high:
            return np.array([self.low])
        if self.step is None:
            return None
        # A billionth of a step of slack keeps 0.1 + 0.1 + 0.1 from missing 0.3.
        n_steps = int((self.high - self.low) / self.step + 1e-9)
        return np.round(self.low + self.step * np.arange(n_steps + 1), 12)

    def scaled(self, values: Grid) -> Grid:
        """Return `values` in [0, 1] along this range."""
        if self.log:
            units = np.log(values / self.low) / np.log(self.high / self.low)
        else:
            units = (values - self.low) / (self.high - self.low)
        return np.asarray(np.clip(units, 0.0, 1.0))

    def unscaled(self, units: Grid) -> Grid:
        """Return the values at `units` in [0, 1] along this range; inverse of `scaled`."""
        if self.log:
            values = self.low * (self.high / self.low) ** units
        else:
            values = self.low + units * (self.high - self.low)
        return np.asarray(np.clip(values, self.low, self.high))

    def narrowed(self, low: float | None, high: float | None) -> Real:
        """Return the part of this range between `low` and `high`."""
        if self.grid is not None:
            kept = _between(self.name, self.grid, low, high)
            return replace(self, low=float(kept[0]), high=float(kept[-1]))
        _check_bounds(self.name, low, high)
        bottom = self.low if low is None else max(self.low, low)
        top = self.high if high is None else min(self.high, high)
        if bottom > top:
            raise _nothing_between(self.name, low, high, self.low, self.high)
        return replace(self, low=bottom, high=top)

    def to_json(self) -> dict[str, Value]:
        """Return `{"low": …, "high": …}`, with `step` or `log` where they say something."""
        return _range_json(self.low, self.high, self.step, self.log)


@dataclass(frozen=True)
class Choice(_OfField):
    """One of `choices`, in this order; raises `InputError` where the field can't have one."""

    name: str
    choices: tuple[Value, ...]

    def __post_init__(self) -> None:
        field = space_field(self.name)
        if not isinstance(self.choices, tuple | list):
            raise InputError(f"{self.name}: choices={self.choices!r} is not a list of values")
        checked = tuple(field.check(value) for value in self.choices)
        if not checked:
            raise InputError(f"{self.name}: an empty list leaves nothing to choose")
        if len(set(checked)) < len(checked):
            raise InputError(f"{self.name}: choices={list(checked)} names a value twice")
        _set(self, choices=checked)

    @property
    def grid(self) -> Grid:
        """Every value as tables store it, in order, shape `(k,)`."""
        return encode_column(self.field, list(self.choices))

    def narrowed(self, low: float | None, high: float | None) -> Choice:
        """Return the choices between `low` and `high`; raises `InputError` unless numbers."""
        if self.field.kind not in ("integer", "real"):
            raise InputError(f"{self.name} is a choice: narrow it with choices=[…]")
        kept = set(_between(self.name, np.array(sorted(self.grid)), low, high).tolist())
        return replace(self, choices=tuple(value for value in self.choices if value in kept))

    def to_json(self) -> list[Value]:
        """Return the list of choices."""
        return list(self.choices)


Dimension = Integer | Real | Choice


def chosen(dimension: Dimension, choices: Sequence[Value]) -> Choice:
    """Return the choice of `choices` out of a dimension's values.

    Raises `InputError` for a value that the dimension doesn't have.
    """
    narrow = Choice(dimension.name, tuple(choices))
    if dimension.grid is None:
        raise InputError(f"{dimension.name} is continuous: narrow it with low and high")
    known = dimension.grid.tolist()
    for value, code in zip(narrow.choices, narrow.grid.tolist(), strict=True):
        if code not in known:
            names = _names(dimension)
            if isinstance(value, str):
                raise unknown_name(f"choice of {dimension.name}", value, names)
            raise InputError(
                f"{dimension.name}={value!r} is not in this space; it has {_few(names)}"
            )
    return narrow


def _names(dimension: Dimension) -> list[str]:
    if isinstance(dimension, Choice):
        return [str(value) for value in dimension.choices]
    return [] if dimension.grid is None else [f"{value:g}" for value in dimension.grid]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:6])}, …, {names[-1]}"


def dimension_from_json(name: str, data: object) -> Dimension:
    """Return the dimension that a list of choices or a `{"low": …, "high": …}` describes."""
    field = space_field(name)
    if isinstance(data, list | tuple):
        return Choice(name, tuple(data))
    if not isinstance(data, Mapping):
        raise InputError(
            f"{name}={data!r} is no dimension: give a list of choices or "
            "{low = …, high = …}; a single value belongs under base"
        )
    kinds: dict[str, Callable[..., Dimension]] = {"integer": Integer, "real": Real}
    if field.kind not in kinds:
        raise InputError(f"{name} is a choice: give a list of values, not {dict(data)!r}")
    known = ("low", "high", "step", "log")
    for key in data:
        if key not in known:
            raise unknown_name(f"key of dimension {name}", key, known)
    for key in ("low", "high"):
        if key not in data:
            raise InputError(f"dimension {name} lacks {key!r}")
    if not isinstance(data.get("log", False), bool):
        raise InputError(f"dimension {name}: log={data['log']!r} is not true or false")
    return kinds[field.kind](name, **data)


def _field_of_kind(name: str, kind: Kind) -> Field:
    field = space_field(name)
    if field.kind != kind:
        types = {"integer": "Integer", "real": "Real"}
        remedy = types.get(field.kind, "Choice")
        raise InputError(f"{name} is no dimension of type {types[kind]}; use {remedy}")
    return field


def _set(dimension: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(dimension, name, value)


def _check_order(name: str, low: float, high: float) -> None:
    if low > high:
        raise InputError(f"{name}: low={low:g} is above high={high:g}; exchange them")


def _between(name: str, grid: Grid, low: float | None, high: float | None) -> Grid:
    _check_bounds(name, low, high)
    bottom = -np.inf if low is None else low
    top = np.inf if high is None else high
    kept: Grid = grid[(grid >= bottom) & (grid <= top)]
    if not len(kept):
        raise _nothing_between(name, low, high, grid[0], grid[-1])
    return kept


def _check_bounds(name: str, low: object, high: object) -> None:
    for end, value in (("low", low), ("high", high)):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if value is not None and (not number or math.isnan(float(value))):  # type: ignore[arg-type]
            raise InputError(f"{name}: {end}={value!r} is not a number to narrow it to")


def _nothing_between(
    name: str, low: float | None, high: float | None, least: float, most: float
) -> InputError:
    return InputError(
        f"{name}: nothing lies between {low} and {high}; this space has {least:g} to {most:g}"
    )


def _range_json(low: float, high: float, step: float | None, log: bool) -> dict[str, Value]:
    data: dict[str, Value] = {"low": low, "high": high}
    if step is not None:
        data["step"] = step
    if log:
        data["log"] = True
    return data
