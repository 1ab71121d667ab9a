"""`Filters`: what the sliders let pass, decided in numpy as the page decides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Filters:
    """What passes: ends by column, greatest values by column, and codes by column."""

    ranges: Mapping[str, Sequence[float]] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    choices: Mapping[str, Sequence[int]] = field(default_factory=dict)


def passing(columns: Columns, filters: Filters) -> NDArray[np.bool_]:
    """Return which candidates pass every filter, shape (n,); float32 decides, as on the page."""
    n = len(next(iter(columns.values()))) if columns else 0
    kept = np.ones(n, dtype=bool)
    for name, (low, high) in filters.ranges.items():
        if name in columns:
            values = columns[name].astype(np.float32)
            inside = (values >= np.float32(low)) & (values <= np.float32(high))
            kept &= inside | _off(columns, name)
    for name, most in filters.limits.items():
        if name in columns:
            kept &= columns[name].astype(np.float32) <= np.float32(most)
    for name, codes in filters.choices.items():
        if name in columns:
            kept &= np.isin(columns[name], list(codes)) | _off(columns, name)
    return kept


def _off(columns: Columns, name: str) -> NDArray[np.bool_]:
    """Return where the setting `name` says nothing: its option is off, shape `(n,)` or `(1,)`."""
    switch = name.split(".", maxsplit=1)[0]
    if switch == name or switch not in columns:
        return np.zeros(1, dtype=bool)
    return ~columns[switch].astype(bool)
