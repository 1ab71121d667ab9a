"""`estimate`: what candidates cost for a workload on a device, one or a million at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.chunks import CHUNK, in_chunks
from nasviz.cost.dynamic.observed import NOTHING, Observed
from nasviz.cost.dynamic.options import running_of
from nasviz.cost.energy import Energy
from nasviz.cost.flops import Flops
from nasviz.cost.hardware import Hardware
from nasviz.cost.latency import Latency
from nasviz.cost.layered import layered_blocks, layered_reckoning
from nasviz.cost.lifetime import Lifetime
from nasviz.cost.memory import Memory
from nasviz.cost.parameters import Parameters
from nasviz.cost.reckoning import Reckoning
from nasviz.cost.sizes import (
    Amount,
    Candidates,
    architecture_of,
    sizes_of,
    table_chunk,
)
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.option_columns import rows_with_lists
from nasviz.space.table import CandidateTable

Group = TypeVar("Group")
Rows = slice | NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Cost:
    """What candidates cost: groups of figures, each computed when it is first asked for.

    For one candidate the figures are Python numbers, and counts are exact integers. For a table
    they are arrays of shape `(n,)`: `parameters` int64, all others float64 (exact below 2**53).
    """

    candidates: Candidates
    workload: Workload
    hardware: Hardware
    observed: Observed = NOTHING

    @cached_property
    def parameters(self) -> Parameters:
        """Counts of weights: total, active and by component."""
        return self._group(lambda each: each.parameters, np.int64)

    @cached_property
    def flops(self) -> Flops:
        """Floating-point operations: prefill, decode per token, training per token."""
        return self._group(lambda each: each.flops)

    @cached_property
    def memory(self) -> Memory:
        """Bytes: weights, cache, activations, training state."""
        return self._group(lambda each: each.memory)

    @cached_property
    def latency(self) -> Latency:
        """Seconds: time to first token, per output token, per request."""
        return self._group(lambda each: each.latency)

    @cached_property
    def energy(self) -> Energy:
        """Joules of a request and of a token."""
        return self._group(lambda each: each.energy)

    @property
    def energy_j(self) -> Amount:
        """Joules of one request."""
        return self.energy.request_j

    @cached_property
    def lifetime(self) -> Lifetime:
        """Training once and serving every request of the workload."""
        return self._group(lambda each: each.lifetime)

    @cached_property
    def _single(self) -> Reckoning:
        assert not isinstance(self.candidates, CandidateTable)
        return _reckoned(self.candidates, self.workload, self.hardware, self.observed)

    def _group(self, of: Callable[[Reckoning], Group], dtype: Any = np.float64) -> Group:
        table = self.candidates
        if not isinstance(table, CandidateTable):
            return _plain_group(of(self._single))

        def part(start: int, stop: int) -> Group:
            sizes = table_chunk(table, start, stop)
            running = running_of(table, sizes, self.observed, (start, stop))
            return of(Reckoning(running, self.workload, self.hardware))

        whole = _gathered(part, len(table), dtype)
        for rows, reckoning in reckoned_apart(table, self.workload, self.hardware, self.observed):
            _store(whole, of(reckoning), rows)
        return whole

    def to_json(self) -> dict[str, Any]:
        """Return the costs of one candidate as plain data; raises `InputError` for a table."""
        if isinstance(self.candidates, CandidateTable):
            raise InputError("to_json is for one candidate: take a row of the table first")
        return {
            "parameters": _plain_data(self.parameters),
            "flops": _plain_data(self.flops),
            "memory": _plain_data(self.memory),
            "latency": _plain_data(self.latency),
            "energy_j": self.energy_j,
            "energy_per_token_j": self.energy.token_j,
            "lifetime": _plain_data(self.lifetime),
            "workload": self.workload.to_json(),
            "hardware": self.hardware.name,
        }

    def __repr__(self) -> str:
        if isinstance(self.candidates, CandidateTable):
            what = f"{len(self.candidates):,} candidates"
        else:
            what = architecture_of(self.candidates).title
        return f"Cost({what}, {self.workload.precision} on {self.hardware.name})"


def estimate(
    candidates: Candidates,
    workload: Workload | None = None,
    hardware: Hardware | None = None,
    observed: Observed = NOTHING,
) -> Cost:
    """Return the cost of one candidate or of a table, for a workload on a device.

    `hardware` defaults to this machine where it was calibrated, else to an ordinary laptop's CPU.
    A prompt longer than a candidate's context is cut to it. Under a dynamic policy the cost is the
    expected one: weighted by what was `observed` on held-out text, or by each option's prior. Where
    layers differ see `nasviz.cost.layered`.
    Raises `InputError` for anything that is not a candidate, a workload or a device.

    >>> from nasviz.space.architecture import Architecture
    >>> gpt2 = Architecture(12, 768, 12, 50257, 1024, position="learned", norm="layernorm",
    ...                     mlp="gelu", biases="all", qk_norm=False)
    >>> estimate(gpt2).parameters.total
    124439808
    """
    workload = Workload() if workload is None else workload
    hardware = Hardware.default() if hardware is None else hardware
    if not isinstance(workload, Workload):
        raise InputError(f"the workload is {workload!r}, not a Workload(…)")
    if not isinstance(hardware, Hardware):
        raise InputError(f"the hardware is {hardware!r}; use Hardware.named(…)")
    if not isinstance(candidates, CandidateTable):
        architecture_of(candidates)
    return Cost(candidates, workload, hardware, observed)


def reckoned_apart(
    table: CandidateTable, workload: Workload, hardware: Hardware, observed: Observed = NOTHING
) -> Iterator[tuple[Rows, Reckoning]]:
    """Yield rows of a table that its pieces price wrongly, with what they cost by themselves.

    They are those whose layers differ, many at once, and those whose policies hold lists (an exit's
    own threshold), one by one.
    """
    yield from layered_blocks(table, workload, hardware, observed)
    for row in rows_with_lists(table.columns, len(table)).tolist():
        yield slice(row, row + 1), _reckoned(table.row(row), workload, hardware, observed)


def _reckoned(
    candidate: Architecture | Candidate, workload: Workload, hardware: Hardware, observed: Observed
) -> Reckoning:
    if architecture_of(candidate).layer_sizes:
        return layered_reckoning(candidate, workload, hardware, observed)
    running = running_of(candidate, sizes_of(candidate), observed)
    return Reckoning(running, workload, hardware)


def _gathered(part: Callable[[int, int], Group], length: int, dtype: Any) -> Group:
    """Return a group of `(length,)` arrays from the groups of its chunks."""
    first = part(0, min(CHUNK, length))
    whole = _empty_like(first, length, dtype)
    _store(whole, first, slice(0, min(CHUNK, length)))

    def fill(start: int, stop: int) -> None:
        _store(whole, part(start, stop), slice(start, stop))

    in_chunks(fill, length, begin=min(CHUNK, length))
    return whole


def _empty_like(group: Group, length: int, dtype: Any) -> Group:
    values = {}
    for each in fields(group):  # type: ignore[arg-type]
        value = getattr(group, each.name)
        nested = is_dataclass(value)
        values[each.name] = _empty_like(value, length, dtype) if nested else np.empty(length, dtype)
    return type(group)(**values)


def _store(whole: Any, part: Any, rows: Rows) -> None:
    for each in fields(whole):
        target, value = getattr(whole, each.name), getattr(part, each.name)
        if is_dataclass(target):
            _store(target, value, rows)
        else:
            target[rows] = value


def _plain_group(group: Group) -> Group:
    """Return the group with Python numbers; whole numbers of bytes become integers."""
    values: dict[str, Any] = {}
    for each in fields(group):  # type: ignore[arg-type]
        value = getattr(group, each.name)
        if is_dataclass(value):
            values[each.name] = _plain_group(value)
        elif each.name.endswith(("_bytes", "_bytes_per_token")) and not isinstance(value, int):
            values[each.name] = math.ceil(value)
        else:
            values[each.name] = (
                value.item() if isinstance(value, np.generic | np.ndarray) else value
            )
    return type(group)(**values)


def _plain_data(group: Any) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for each in fields(group):
        value = getattr(group, each.name)
        if is_dataclass(value):
            data[each.name] = _plain_data(value)
        else:
            data[each.name] = value if math.isfinite(value) else None
    return data
