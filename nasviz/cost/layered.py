"""Costs of models whose layers differ: the mean over their layers.

Every cost is a base plus a sum over layers. So a model of L layers costs what the L uniform models
cost on average of which each has the sizes of one of the layers throughout; what is a peak is the
largest of theirs (the activations of a prompt, those of one recomputed layer), and what follows
from such figures follows from the mean (energy, lifetime, the training state). Counts are exact.
Seconds are as good as a uniform model's, but for two things that are no sums: how cold weights are,
which depends on all that a pass reads and is a mean here, and on a device that queues its launches
the longer of computing and launching, which is the longer of the two means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.options import running_of
from nasviz.cost.flops import Flops
from nasviz.cost.hardware import Hardware
from nasviz.cost.latency import Latency, hides_launches, latency_of
from nasviz.cost.memory import Memory
from nasviz.cost.parameters import Parameters
from nasviz.cost.reckoning import Reckoning
from nasviz.cost.sizes import Amount, architecture_of, larger, layer_sizes, sizes_of, table_chunk
from nasviz.cost.training_memory import training_device_bytes, training_host_bytes
from nasviz.cost.workload import Workload
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.layer_column import layers_at, rows_with_layers
from nasviz.space.layer_sizes import NAMES, LayerSizes
from nasviz.space.table import CandidateTable

Group = TypeVar("Group")

# Rows that are priced at once.
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class LayeredReckoning(Reckoning):
    """The groups of costs of models whose layers differ; `running` has their largest sizes.

    parts: the uniform models of each kind of layer. shares: how many layers are of that kind, in
    all `running.sizes.n_layers`.
    """

    parts: tuple[Reckoning, ...]
    shares: tuple[Amount, ...]

    @cached_property
    def parameters(self) -> Parameters:
        """Counts of weights; active are those that a token uses under the policy."""
        return self._mean([each.parameters for each in self.parts])

    @cached_property
    def trained(self) -> Parameters:
        """Counts of weights; active are those that a token uses in training."""
        return self._mean([each.trained for each in self.parts])

    @cached_property
    def flops(self) -> Flops:
        """Floating-point operations."""
        return self._mean([each.flops for each in self.parts])

    @cached_property
    def memory(self) -> Memory:
        """Bytes."""
        groups = [each.memory for each in self.parts]
        mean = self._mean(groups)
        activations = self._largest([each.activations_bytes for each in groups])
        forward = mean.training_activations_bytes
        if self.workload.activation_checkpointing:  # one layer at a time is whole
            forward = self._largest([each.training_activations_bytes for each in groups])
        state = training_device_bytes(self.running.stored, self.parameters, self.workload)
        return replace(
            mean,
            activations_bytes=activations,
            total_bytes=mean.weights_bytes + mean.kv_cache_bytes + activations,
            training_state_bytes=state,
            training_activations_bytes=forward,
            training_total_bytes=state + forward,
            training_host_bytes=training_host_bytes(self.parameters, self.workload),
        )

    @cached_property
    def latency(self) -> Latency:
        """Seconds."""
        prefill = self._mean([each.latency.prefill_parts for each in self.parts])
        decode = self._mean([each.latency.decode_parts for each in self.parts])
        return latency_of(prefill, decode, self.workload, hides_launches(self.hardware))

    def _mean(self, groups: Sequence[Group]) -> Group:
        values: dict[str, Any] = {}
        for each in fields(groups[0]):  # type: ignore[arg-type]
            found = [getattr(group, each.name) for group in groups]
            mean = self._mean if is_dataclass(found[0]) else self._mean_amount
            values[each.name] = mean(found)
        return type(groups[0])(**values)

    def _mean_amount(self, amounts: Sequence[Amount]) -> Amount:
        pairs = zip(self.shares, amounts, strict=True)
        total, layers = sum(share * each for share, each in pairs), sum(self.shares)
        # Counts of one candidate are whole numbers of Python and stay so.
        whole = isinstance(total, int) and total % layers == 0
        return total // layers if whole else total / layers

    def _largest(self, amounts: Sequence[Amount]) -> Amount:
        found: Amount = 0
        for share, each in zip(self.shares, amounts, strict=True):
            found = larger(found, (share > 0) * each)
        return found


def layered_reckoning(
    candidate: Architecture | Candidate, workload: Workload, hardware: Hardware, observed: Observed
) -> LayeredReckoning:
    """Return the costs of one candidate whose layers differ."""
    architecture = architecture_of(candidate)
    kinds = Counter(architecture.layer_sizes)
    parts = tuple(
        Reckoning(
            running_of(candidate, layer_sizes(architecture, kind), observed), workload, hardware
        )
        for kind in kinds
    )
    widest = running_of(candidate, sizes_of(candidate), observed)
    return LayeredReckoning(widest, workload, hardware, parts, tuple(kinds.values()))


def layered_blocks(
    table: CandidateTable, workload: Workload, hardware: Hardware, observed: Observed
) -> Iterator[tuple[NDArray[np.intp], LayeredReckoning]]:
    """Yield the rows of a table whose layers differ, block by block, with what they cost."""
    rows = rows_with_layers(table.columns, len(table))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        yield block, _block(table.take(block), workload, hardware, observed)


def _block(
    table: CandidateTable, workload: Workload, hardware: Hardware, observed: Observed
) -> LayeredReckoning:
    """Return the costs of a table in all rows of which layers differ: its first layers, its second
    ones and so on are each priced as a table; a row counts as often as it has layers.
    """
    layers = [layers_at(table.columns, row) for row in range(len(table))]
    deepest = max(map(len, layers))

    def reckoned(of: CandidateTable) -> Reckoning:
        rows = (0, len(of))
        return Reckoning(running_of(of, table_chunk(of, *rows), observed, rows), workload, hardware)

    parts = tuple(reckoned(_with_sizes(table, layers, number)) for number in range(deepest))
    shares = tuple(
        np.array([float(number < len(each)) for each in layers]) for number in range(deepest)
    )
    return LayeredReckoning(reckoned(table).running, workload, hardware, parts, shares)


def _with_sizes(
    table: CandidateTable, layers: Sequence[tuple[LayerSizes, ...]], number: int
) -> CandidateTable:
    """Return the table of uniform models with the sizes of layer `number` of each row.

    Rows with fewer layers have those of their first one, and no share in the mean.
    """
    of_rows = [each[number] if number < len(each) else each[0] for each in layers]
    sizes = {name: np.array([getattr(each, name) for each in of_rows]) for name in NAMES}
    return CandidateTable({**table.columns, **sizes}, len(table))
