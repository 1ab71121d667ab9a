"""`Field`: one size or setting of the catalogue, and how a value of it is checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

from nasviz.errors import InputError, unknown_name

Value = int | float | str | bool
Kind = Literal["integer", "real", "choice", "switch", "integers", "reals"]


@dataclass(frozen=True)
class Field:
    """One size or setting: its range, its neutral value and a line of help for a student.

    `low` and `high` bound what is *valid* (inclusive); a search space has narrower ranges.
    `default` None means that the value is required or derived from other fields (see `help`).
    The kinds "integers" and "reals" are lists, bounded number by number; a list is no dimension.
    """

    name: str
    label: str
    kind: Kind
    help: str
    reference: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    default: Value | tuple[()] | None = None
    unit: str = ""

    @property
    def is_list(self) -> bool:
        """Whether the field holds several numbers: read by `check_list`, not by `check`."""
        return self.kind in ("integers", "reals")

    def check_list(self, values: object) -> tuple[int | float, ...]:
        """Return the numbers of a list, checked one by one; raises `InputError`."""
        if not isinstance(values, list | tuple):
            raise InputError(f"{self.name}={values!r} is not a list of numbers")
        return tuple(self._check_number(value, "") for value in values)

    def check(self, value: object, place: str = "") -> Value:
        """Return `value` as this field's type, or raise `InputError` naming value and remedy."""
        where = f"{place}: " if place else ""
        if self.kind == "switch":
            if isinstance(value, bool):
                return value
            raise InputError(f"{where}{self.name}={value!r} is not true or false")
        if self.kind == "choice":
            if isinstance(value, str) and value in self.choices:
                return value
            if isinstance(value, str):
                raise unknown_name(f"{where}{self.name}", value, self.choices)
            raise InputError(
                f"{where}{self.name}={value!r} is not one of {', '.join(self.choices)}"
            )
        return self._check_number(value, where)

    def _check_number(self, value: object, where: str) -> int | float:
        whole = self.kind in ("integer", "integers")
        wanted = "a whole number" if whole else "a number"
        number = _plain_number(value)
        if number is None or not _is_finite(number):
            raise InputError(f"{where}{self.name}={value!r} is not {wanted}{self._range()}")
        if whole and number != int(number):
            raise InputError(f"{where}{self.name}={value!r} is not {wanted}{self._range()}")
        too_low = self.low is not None and number < self.low
        if too_low or (self.high is not None and number > self.high):
            raise InputError(
                f"{where}{self.name}={value!r} is out of range; allowed:{self._range()}"
            )
        return int(number) if whole else float(number)

    def _range(self) -> str:
        if self.low is None or self.high is None:
            return ""
        return f" from {_written(self.low)} to {_written(self.high)}"


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond any float
        return False


def _written(bound: float) -> str:
    """Return a bound as a person types it: `4_194_304`, `0.95`, `1e-07`."""
    return f"{int(bound):_}" if float(bound).is_integer() and bound < 1e15 else f"{bound:g}"


def _plain_number(value: object) -> int | float | None:
    """Return a Python number for ints, floats and numpy scalars; None for bools and the rest."""
    item = getattr(value, "item", None)
    plain = item() if callable(item) and getattr(value, "ndim", None) == 0 else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        return None
    return plain


def number_field(
    kind: Kind,
    name: str,
    label: str,
    low: float,
    high: float,
    help: str,
    reference: str,
    default: float | None = None,
    unit: str = "",
) -> Field:
    """Return a field of numbers from `low` to `high`."""
    return Field(name, label, kind, help, reference, low, high, default=default, unit=unit)


integer = partial(number_field, "integer")
real = partial(number_field, "real")


def choice(
    name: str, label: str, choices: tuple[str, ...], help: str, reference: str, default: str
) -> Field:
    """Return a field of names to choose from."""
    return Field(name, label, "choice", help, reference, choices=choices, default=default)


def switch(name: str, label: str, help: str, reference: str, default: bool) -> Field:
    """Return a field that is true or false."""
    return Field(name, label, "switch", help, reference, default=default)
