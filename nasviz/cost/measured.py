"""`Measured`: what calibration found on one machine, as tables that are read between their nodes.

Seconds are looked up, not fitted: a product by its rows and its weights, attention by its keys and
its head size, streams by their numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from nasviz.cost.grid import Curve, Grid, check_numbers
from nasviz.errors import InputError, unknown_name

# Operations that stream activations: see `nasviz.evaluation.operations.streams` for what each is.
STREAMS = (
    "rms_norm", "head_norm", "layer_norm", "gelu", "silu", "relu", "relu2", "multiply", "add",
    "rotate", "copy", "argmax",
)  # fmt: skip

# Python and dispatch that the tables don't hold, by what causes it.
OVERHEADS = ("model", "layer", "rope", "qk_norm", "gated", "expert")


@dataclass(frozen=True)
class Factors:
    """How much slower each kind of operation is inside a model than alone; 1 is the same.

    `pass_s` is what a whole pass takes beyond all of them.
    """

    products: float = 1.0
    attention: float = 1.0
    streams: float = 1.0
    overhead: float = 1.0
    pass_s: float = 0.0

    def __post_init__(self) -> None:
        check_numbers("factors", tuple(vars(self).values()), 5)


@dataclass(frozen=True)
class MeasuredRates:
    """What was measured in one precision.

    matmul_hot, matmul_cold: seconds of one product by rows and by weights, with weights that were
        just used, and with weights that must come from memory.
    cold_share: by bytes read in one pass, how cold the weights are: 0 (cached) to 1 (memory).
    prefill_attention: seconds a head by tokens and head size, causal.
    decode_attention: seconds a key/value head by keys and head size, for one query.
    decode_query: seconds of each further query that shares a key/value head.
    decode_fixed_s: seconds of calling attention at all.
    streams: seconds by numbers, for each of `STREAMS`.
    overheads_s: seconds by cause, for each of `OVERHEADS`; those but `model` are a layer's.
    prefill_factors, decode_factors: what whole models take of each kind, against the tables.
    """

    matmul_hot: Grid
    matmul_cold: Grid
    cold_share: Curve
    prefill_attention: Grid
    decode_attention: Grid
    decode_query: Grid
    decode_fixed_s: float
    streams: Mapping[str, Curve] = field(hash=False)
    overheads_s: Mapping[str, float] = field(hash=False)
    prefill_factors: Factors = field(default_factory=Factors)
    decode_factors: Factors = field(default_factory=Factors)

    def __post_init__(self) -> None:
        for name, known, given in (
            ("stream", STREAMS, self.streams),
            ("overhead", OVERHEADS, self.overheads_s),
        ):
            for key in given:
                if key not in known:
                    raise unknown_name(name, key, known)
            missing = [key for key in known if key not in given]
            if missing:
                raise InputError(f"the measured rates lack {name} {', '.join(missing)}")
        check_numbers("overheads_s", tuple(self.overheads_s.values()), len(OVERHEADS))
        object.__setattr__(self, "streams", MappingProxyType(dict(self.streams)))
        object.__setattr__(self, "overheads_s", MappingProxyType(dict(self.overheads_s)))


@dataclass(frozen=True)
class Measured:
    """A calibration: where, when and with what it was measured, and the rates by precision."""

    machine: str
    device: str
    torch: str
    threads: int
    date: str
    rates: Mapping[str, MeasuredRates] = field(hash=False)

    def __post_init__(self) -> None:
        if "fp32" not in self.rates:
            raise InputError("a calibration needs rates in 'fp32'")
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        data["rates"] = {name: _rates_to_json(rates) for name, rates in self.rates.items()}
        return data

    @classmethod
    def from_json(cls, data: object) -> Measured:
        """Return the calibration that `data` describes; raises `InputError` where it is wrong."""
        _check_keys("calibration", data, cls)
        assert isinstance(data, Mapping)
        if not isinstance(data["rates"], Mapping):
            raise InputError(f"rates={data['rates']!r} are not rates by precision")
        rates = {name: _rates_from_json(each) for name, each in data["rates"].items()}
        return cls(**{**data, "rates": rates})


def _rates_to_json(rates: MeasuredRates) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for each in fields(rates):
        value = getattr(rates, each.name)
        data[each.name] = _table_to_json(value) if isinstance(value, Curve | Grid) else value
    data["streams"] = {name: _table_to_json(curve) for name, curve in rates.streams.items()}
    data["overheads_s"] = dict(rates.overheads_s)
    for name in ("prefill_factors", "decode_factors"):
        data[name] = dict(vars(getattr(rates, name)))
    return data


def _table_to_json(table: Curve | Grid) -> dict[str, Any]:
    return {each.name: getattr(table, each.name) for each in fields(table)}


def _rates_from_json(data: object) -> MeasuredRates:
    _check_keys("measured rates", data, MeasuredRates)
    assert isinstance(data, Mapping)
    values = dict(data)
    for name in ("matmul_hot", "matmul_cold", "prefill_attention", "decode_attention"):
        values[name] = _grid(data[name])
    values["decode_query"] = _grid(data["decode_query"])
    values["cold_share"] = _curve(data["cold_share"])
    values["streams"] = {name: _curve(each) for name, each in data["streams"].items()}
    for name in ("prefill_factors", "decode_factors"):
        _check_keys(name, data[name], Factors)
        values[name] = Factors(**data[name])
    return MeasuredRates(**values)


def _grid(data: object) -> Grid:
    _check_keys("grid", data, Grid)
    assert isinstance(data, Mapping)
    lines = tuple(tuple(line) for line in data["values"])
    return Grid(tuple(data["rows"]), tuple(data["columns"]), lines)


def _curve(data: object) -> Curve:
    _check_keys("curve", data, Curve)
    assert isinstance(data, Mapping)
    return Curve(tuple(data["x"]), tuple(data["y"]))


def _check_keys(what: str, data: object, kind: Any) -> None:
    known = [each.name for each in fields(kind)]
    if not isinstance(data, Mapping):
        raise InputError(f"{what} is an object of {', '.join(known)}, not {data!r}")
    for name in data:
        if name not in known:
            raise unknown_name(f"key of {what}", name, known)
    missing = [name for name in known if name not in data]
    if missing:
        raise InputError(f"{what} lacks {', '.join(missing)}")
