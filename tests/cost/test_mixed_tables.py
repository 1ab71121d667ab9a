"""Tables whose rows run under different options: none changes what another row costs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from nasviz import Architecture, Candidate, InferencePolicy, estimate
from nasviz.cost.columns import COST_COLUMNS
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS
from nasviz.space.table import CandidateTable

SIZES = Architecture(4, 48, 4, 256, 64, experts=4, experts_per_token=2)
EVERY = (
    *(kind() for kind in OPTIONS),
    LayerSkip(choose="router"),
    EarlyExit(skipped_layers="recompute", criterion="gate", heads="own"),
)


def costs(of: Candidate | CandidateTable) -> dict[str, Any]:
    cost = estimate(of)
    return {name: column.of(cost) for name, column in COST_COLUMNS.items()}


def names(pair: tuple[Option, Option]) -> str:
    return "+".join(each.NAME for each in pair)


@pytest.mark.parametrize("pair", list(combinations(EVERY, 2)), ids=names)
def test_two_options_side_by_side_cost_what_each_costs_alone(pair: tuple[Option, Option]) -> None:
    rows = [Candidate(SIZES, InferencePolicy((each,))) for each in pair]
    together, alone = costs(CandidateTable.of(rows)), [costs(row) for row in rows]
    for name, column in together.items():
        # Means over layers or tokens of one candidate are rounded to whole bytes and weights.
        expected = [float(each[name]) for each in alone]
        found = np.broadcast_to(np.asarray(column, np.float64), 2)
        np.testing.assert_allclose(found, expected, rtol=1e-4, err_msg=name)


def test_pairs_that_a_mean_number_of_tokens_makes_are_not_cut_to_whole_ones() -> None:
    # Seven tenths of the tokens go on, on average: no whole number of them.
    routed = Candidate(SIZES, InferencePolicy((LayerSkip(keep=0.7, choose="router"),)))
    alone, table = estimate(routed), estimate(CandidateTable.of([routed]))
    assert alone.flops.causal_saving == pytest.approx(table.flops.causal_saving[0], rel=1e-12)
