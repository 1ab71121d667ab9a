"""What the map shows: columns of sampled candidates, and marks (trials, landmarks) above them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.errors import InputError

Role = Literal["dimension", "cost", "quality"]
Better = Literal["low", "high"]
MarkKind = Literal["trained", "waiting", "landmark"]


@dataclass(frozen=True, eq=False)
class MapColumn:
    """One number of every candidate: a dimension of the space, a cost or a quality.

    `values` has shape (n,) or (1,); codes with `choices` for a choice. `unit` decides how numbers
    read ("s", "B", "J", "FLOP", "%", "" …). `log` says that a colour scale by logarithm suits.
    `short` is the tooltip's wording, `"{} heads"`; `note` goes beside a quality's label on the
    axis and in the legend, `"predicted for 1.5 M tokens"`; `source` in the legend only.
    """

    name: str
    values: ArrayLike
    label: str
    role: Role
    unit: str = ""
    better: Better = "low"
    log: bool = False
    choices: tuple[str, ...] = ()
    short: str = ""
    note: str = ""
    source: str = ""
    help: str = ""

    def spec(self) -> dict[str, Any]:
        """Return what the page must know besides the numbers."""
        names = ("label", "role", "unit", "better", "log", "short", "note", "source", "help")
        spec: dict[str, Any] = {name: getattr(self, name) for name in names}
        return spec | ({"choices": list(self.choices)} if self.choices else {})


@dataclass(frozen=True)
class Mark:
    """A point with a name: a trained trial, one in training, or a landmark (a known model).

    `values` maps column names to numbers and `intervals` a quality's name to (low, high); a mark
    without a value for an axis isn't drawn there. `id` is what `CandidateMap.selection` holds.
    `ringed` marks stand out: they run under an inference policy.
    """

    id: str
    label: str
    kind: MarkKind
    values: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    intervals: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    note: str = ""
    ringed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the mark as the page reads it."""
        return {
            "id": self.id,
            "label": self.label,
            "kind": self.kind,
            "values": {name: float(value) for name, value in self.values.items()},
            "intervals": {name: list(map(float, ends)) for name, ends in self.intervals.items()},
            "note": self.note,
            "ringed": self.ringed,
        }


def full_column(column: MapColumn, n: int) -> NDArray[Any]:
    """Return the column's values, shape (n,); raises `InputError` for any other length."""
    values = np.atleast_1d(np.asarray(column.values))
    if values.shape not in {(n,), (1,)}:
        raise InputError(f"column {column.name!r} has shape {values.shape}; this sample has {n:,}")
    return np.broadcast_to(values, (n,))


def wire_column(values: NDArray[Any]) -> dict[str, Any]:
    """Return the column as bytes: the smallest unsigned type for whole numbers, else float32.

    >>> wire_column(np.array([3, 5, 7]))["dtype"]
    'uint8'
    """
    dtype: np.dtype[Any] = np.dtype(np.float32)
    if values.dtype.kind in "iub" and values.size:
        low, high = values.min(), values.max()
        for candidate in (np.uint8, np.uint16):
            if low >= 0 and high <= np.iinfo(candidate).max:
                dtype = np.dtype(candidate)
                break
    return {"dtype": dtype.name, "data": np.ascontiguousarray(values, dtype=dtype).tobytes()}


def wire_ids(ids: ArrayLike, n: int) -> dict[str, Any]:
    """Return candidate ids as bytes: whole numbers from 0 to 2**32 - 1, all different."""
    array = np.asarray(ids)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise InputError(f"ids must be {n:,} whole numbers, one a candidate")
    if n and (array.min() < 0 or array.max() > np.iinfo(np.uint32).max):
        raise InputError("ids must lie from 0 to 4294967295")
    if len(np.unique(array)) != n:
        raise InputError("ids must differ: a selection is kept by them")
    return {"dtype": "uint32", "data": array.astype(np.uint32).tobytes()}
