"""`CandidateTable`: many candidates as columns, for a million at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.architecture import (
    DERIVED,
    GATED,
    NAMES,
    REQUIRED,
    Architecture,
    gated_d_ff,
    plain_d_ff,
)
from nasviz.space.candidate import Candidate
from nasviz.space.field import Field, Value
from nasviz.space.fields import FIELDS, TRAINING_FIELDS, field_named
from nasviz.space.inference import InferencePolicy
from nasviz.space.layer_column import LAYER_SIZES, encode_layers, layers_at
from nasviz.space.option_columns import fill_options, option_columns, with_equal_options
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS

Column = NDArray[Any]
TRAINING_NAMES = tuple(field.name for field in TRAINING_FIELDS)


class CandidateTable:
    """Many candidates, a column each field: shape `(n,)`, or `(1,)` where all rows share it.

    Choices are stored as codes: the index into the catalogue's `choices` of the field. Besides an
    architecture's fields a table may hold training settings (`learning_rate`, …) and options of
    inference: `early_exit` (on or off) with `early_exit.threshold` and its other settings, which
    have their defaults where the option is off, so that equal candidates have equal rows. Where
    layers of some row differ, `layer_sizes` holds a tuple of `LayerSizes` a row, `()` for the rest.

    `table["d_model"]` has shape `(n,)`; `table.columns["d_model"]` may be the compact `(1,)`.
    """

    def __init__(self, columns: Mapping[str, Column], length: int) -> None:
        self.columns: Mapping[str, Column] = MappingProxyType(dict(columns))
        self._length = length

    @classmethod
    def from_columns(cls, given: Mapping[str, Any], length: int | None = None) -> CandidateTable:
        """Return a table from columns, sequences or single values; the rest gets its defaults.

        Choices may be names or codes. Raises `InputError` for unknown or missing fields and for
        columns of unequal length; sizes that don't fit each other are the search space's to check.
        """
        columns = {name: _encoded(name, value) for name, value in given.items()}
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            raise InputError(f"the table lacks {', '.join(missing)}")
        lengths = {len(column) for column in columns.values()} - {1}
        if length is not None:
            lengths |= {length}
        if len(lengths) > 1:
            raise InputError(f"columns of unequal length: {sorted(lengths)}")
        _fill_defaults(columns)
        fill_options(columns, _encoded)
        ordered = {name: columns[name] for name in (*FIELDS, LAYER_SIZES) if name in columns}
        return cls(ordered, lengths.pop() if lengths else 1)

    @classmethod
    def of(cls, candidates: Iterable[Candidate | Architecture]) -> CandidateTable:
        """Return a table with one row a candidate, in order."""
        rows = [each if isinstance(each, Candidate) else Candidate(each) for each in candidates]
        sizes = {name: [getattr(row.architecture, name) for row in rows] for name in NAMES}
        given = {**sizes, **option_columns([row.inference for row in rows])}
        if any(row.architecture.layer_sizes for row in rows):
            given[LAYER_SIZES] = [row.architecture.layer_sizes for row in rows]
        return cls.from_columns(given, length=len(rows))

    @classmethod
    def concatenate(cls, tables: Sequence[CandidateTable]) -> CandidateTable:
        """Return the rows of all `tables`, which must have the same columns.

        Only options and the sizes of layers may be missing: off there, and alike.
        """
        tables = [
            cls(columns, len(table))
            for table, columns in zip(tables, with_equal_options(tables, _encoded), strict=True)
        ]
        if any(LAYER_SIZES in table.columns for table in tables):
            tables = [table._with_layers() for table in tables]
        names = set(tables[0].columns)
        for table in tables:
            if set(table.columns) != names:
                raise InputError(f"tables differ in {sorted(set(table.columns) ^ names)}")
        columns = {
            name: np.concatenate([table[name] for table in tables]) for name in tables[0].columns
        }
        return cls(columns, sum(len(table) for table in tables))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> Column:
        """Return the column of that field, shape `(n,)` (a view where all rows share a value)."""
        if name not in self.columns:
            if name != LAYER_SIZES:
                field_named(name)
            raise InputError(f"this table has no column {name!r}")
        return np.broadcast_to(self.columns[name], (self._length,))

    def __iter__(self) -> Iterator[Candidate]:
        return (self.row(index) for index in range(self._length))

    def row(self, index: int) -> Candidate:
        """Return the candidate in row `index`."""
        values = {name: self._value(name, index) for name in NAMES}
        layers = layers_at(self.columns, index)
        return Candidate(Architecture(**values, layer_sizes=layers), self.policy(index))

    def _with_layers(self) -> CandidateTable:
        """Return the table with a row each in its column of layers."""
        layers = [layers_at(self.columns, row) for row in range(self._length)]
        return CandidateTable({**self.columns, LAYER_SIZES: encode_layers(layers)}, self._length)

    def policy(self, index: int) -> InferencePolicy:
        """Return the inference policy in row `index`."""
        on = [kind for kind in OPTIONS if kind.NAME in self.columns]
        on = [kind for kind in on if self._value(kind.NAME, index)]
        return InferencePolicy(tuple(self._option(kind, index) for kind in on))

    def _option(self, kind: type[Option], index: int) -> Option:
        names = [field.name for field in kind.FIELDS]
        return kind(**{name: self._value(f"{kind.NAME}.{name}", index) for name in names})

    def training_settings(self, index: int) -> dict[str, Value]:
        """Return the training settings that this table searches, for row `index`."""
        return {name: self._value(name, index) for name in TRAINING_NAMES if name in self.columns}

    def take(self, indices: Any) -> CandidateTable:
        """Return the rows at `indices` (integers, or a mask of shape `(n,)`)."""
        chosen = np.asarray(indices)
        if chosen.dtype == bool:
            if chosen.shape != (self._length,):
                raise InputError(
                    f"the mask has shape {chosen.shape}; this table needs ({self._length},)"
                )
            chosen = np.flatnonzero(chosen)
        columns = {
            name: column if len(column) == 1 else column[chosen]
            for name, column in self.columns.items()
        }
        return CandidateTable(columns, len(chosen))

    def decoded(self, name: str) -> list[Value]:
        """Return a column as Python values, choices by name."""
        return [self._value(name, index) for index in range(self._length)]

    def _value(self, name: str, index: int) -> Any:
        column = self.columns[name]
        if not -self._length <= index < self._length:
            raise IndexError(f"row {index} of {self._length}")
        if name == LAYER_SIZES:
            return layers_at(self.columns, index)
        return decode_value(FIELDS[name], column[0 if len(column) == 1 else index])

    def __repr__(self) -> str:
        varying = [name for name, column in self.columns.items() if len(column) > 1]
        return (
            f"CandidateTable({self._length:,} candidates; varying: {', '.join(varying) or 'none'})"
        )


def encode_column(field: Field, values: Any) -> Column:
    """Return `values` (one or many) as this field's compact array, shape `(n,)` or `(1,)`.

    Raises `InputError`, naming the first wrong value, for what the field can't be.
    """
    if field.is_list:
        return _encode_lists(field, values)
    array = np.atleast_1d(np.asarray(values))
    if array.ndim > 1:
        raise InputError(f"{field.name} has shape {array.shape}; a column is one-dimensional")
    if field.kind == "choice" and array.dtype.kind in "UO":
        codes = {choice: code for code, choice in enumerate(field.choices)}
        for value in array.tolist():
            field.check(value)
        return np.array([codes[value] for value in array.tolist()], dtype=np.int64)
    for value in array[_is_wrong(field, array)].tolist():
        if field.kind == "choice":
            raise InputError(
                f"{field.name}={value!r} is no code; allowed: 0 to {len(field.choices) - 1}, "
                f"for {', '.join(field.choices)}"
            )
        field.check(value)
    if field.kind == "switch":
        return array.astype(bool)
    return array.astype(np.float64 if field.kind == "real" else np.int64)


def _encoded(name: str, values: Any) -> Column:
    if name == LAYER_SIZES:
        return encode_layers(values)
    return encode_column(field_named(name), values)


def _encode_lists(field: Field, values: Any) -> Column:
    """Return a column of tuples; a single tuple is a value that all rows share."""
    rows = [values] if isinstance(values, tuple) else list(values)
    column = np.empty(len(rows), dtype=object)
    for index, row in enumerate(rows):
        column[index] = field.check_list(row)
    return column


def _is_wrong(field: Field, array: Column) -> Column:
    """Return which values of a column its field can't be, shape `(n,)`."""
    if array.dtype.kind not in "biuf":  # text, or Python's own objects: each is asked about
        return np.ones(len(array), dtype=bool)
    if field.kind == "switch":
        other: Column = (array != 0) & (array != 1)
        return other
    low = 0 if field.kind == "choice" else field.low
    high = len(field.choices) - 1 if field.kind == "choice" else field.high
    right: Column = np.isfinite(array)
    if low is not None:
        right &= array >= low
    if high is not None:
        right &= array <= high
    if field.kind != "real" and array.dtype.kind == "f":
        right &= array == np.floor(array)
    wrong: Column = ~right
    return wrong


def decode_value(field: Field, stored: Any) -> Any:
    """Return one value of this field's array as Python has it; inverse of `encode_column`."""
    if field.is_list:
        return stored
    item = stored.item()
    if field.kind == "choice":
        return field.choices[item]
    return bool(item) if field.kind == "switch" else item


def choice_code(name: str, choice: str) -> int:
    """Return the code by which tables store `choice` of the field `name`."""
    field = field_named(name)
    field.check(choice)
    return field.choices.index(choice)


def _fill_defaults(columns: dict[str, Column]) -> None:
    for name in NAMES:
        field = FIELDS[name]
        if name not in columns and field.default is not DERIVED:
            columns[name] = encode_column(field, field.default)
    if "n_kv_heads" not in columns:
        columns["n_kv_heads"] = columns["n_heads"]
    if "head_dim" not in columns:
        columns["head_dim"] = columns["d_model"] // columns["n_heads"]
    if "d_ff" not in columns:
        gated = np.isin(columns["mlp"], [choice_code("mlp", each) for each in GATED])
        d_model = columns["d_model"]
        columns["d_ff"] = np.where(gated, gated_d_ff(d_model), plain_d_ff(d_model))
