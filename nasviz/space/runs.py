"""Rising whole numbers written short: `0-3,7`, for stored choices of thousands of parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nasviz.errors import InputError


def in_runs(numbers: Sequence[int]) -> str:
    """Return rising numbers as their runs.

    >>> in_runs((0, 1, 2, 3, 7)), in_runs(())
    ('0-3,7', '')
    """
    runs: list[tuple[int, int]] = []
    for each in numbers:
        if runs and each == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], each)
        else:
            runs.append((each, each))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def from_runs(text: str) -> tuple[int, ...]:
    """Return the numbers that `in_runs` wrote; raises `InputError` for any other text.

    >>> from_runs("0-3,7")
    (0, 1, 2, 3, 7)
    """
    numbers: list[int] = []
    for run in text.split(",") if text else ():
        ends = run.split("-")
        if len(ends) > 2 or not all(each.isascii() and each.isdecimal() for each in ends):
            raise InputError(f"{text[:80]!r} are no runs of numbers, such as '0-3,7'")
        numbers += range(int(ends[0]), int(ends[-1]) + 1)
    return tuple(numbers)


def shortened(value: Any) -> Any:
    """Return nested lists of whole numbers with each innermost list as its runs."""
    if not isinstance(value, list | tuple):
        return value
    if all(isinstance(each, int) for each in value):
        return in_runs(value)
    return [shortened(each) for each in value]


def lengthened(value: Any) -> Any:
    """Return what `shortened` was given, lists as tuples; raises `InputError`."""
    if isinstance(value, str):
        return from_runs(value)
    return tuple(map(lengthened, value)) if isinstance(value, list | tuple) else value
