"""`Sample`: the candidates behind the map, with every cost and the expected quality of each.

Half of a sample is drawn from the whole space and stays the same while sliders move: widening one
again shows candidates at once, even while the kernel is busy. The other half is drawn from what
the sliders leave, so that a narrow range is as dense as a wide one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.columns import cost_columns
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.space.candidate import Candidate
from nasviz.space.counting import SpaceCount
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import CandidateTable
from nasviz.widgets.expectation import Expectation

SAMPLE_SIZE = 20_000


@dataclass(frozen=True, eq=False)
class Sample:
    """Candidates of a space; all arrays have shape `(n,)`.

    `bits_per_byte` is what is expected of each, `quality_label` says for how much training, and
    `quality_source` where that comes from.
    """

    table: CandidateTable
    costs: Mapping[str, NDArray[Any]]
    bits_per_byte: NDArray[Any]
    quality_label: str
    quality_source: str

    def __len__(self) -> int:
        return len(self.table)


def draw_sample(
    space: SearchSpace,
    narrowed: SearchSpace,
    asked: tuple[Workload, Hardware],
    expected: Expectation,
    n: int = SAMPLE_SIZE,
) -> Sample:
    """Return `n` candidates: half of `space`, always the same ones, and half of `narrowed`.

    Costs are those of `asked`: a workload on a device.

    Where `narrowed` leaves nothing, all are of `space`: the map shows none of them, and the count
    says why.
    """
    costs = cost_columns(*asked)
    whole = space.sample(n // 2, cost=costs)
    try:
        rest = narrowed.sample(n - n // 2, seed=1, cost=costs)
    except InputError:
        rest = space.sample(n - n // 2, seed=1, cost=costs)
    table = CandidateTable.concatenate([whole, rest])
    return _sample(table, costs(table), expected)


def requalified(sample: Sample, expected: Expectation) -> Sample:
    """Return the same candidates with the quality that is expected of them now."""
    return _sample(sample.table, sample.costs, expected)


def recosted(sample: Sample, workload: Workload, hardware: Hardware) -> Sample:
    """Return the same candidates with their costs for another workload or device."""
    costs = cost_columns(workload, hardware)(sample.table)
    return replace(sample, costs=costs)


def _sample(
    table: CandidateTable, costs: Mapping[str, NDArray[Any]], expected: Expectation
) -> Sample:
    bits = expected.of_table(table).bits_per_byte
    return Sample(table, costs, bits, expected.label, expected.source_of(table))


def count_space(narrowed: SearchSpace, workload: Workload, hardware: Hardware) -> SpaceCount:
    """Return how many candidates are left, and what excludes the others."""
    return narrowed.count(cost=cost_columns(workload, hardware))


def first_pick(sample: Sample) -> Candidate:
    """Return the candidate to begin with: the best expected one that costs no more than half do."""
    seconds = sample.costs["time_per_output_token_s"]
    affordable = seconds <= np.median(seconds)
    return sample.table.row(int(np.argmin(np.where(affordable, sample.bits_per_byte, np.inf))))
