"""What early exit costs before and after a measurement, one candidate or a table of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.cost.columns import cost_columns
from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.option import Option
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.table import CandidateTable

SIZES = Architecture(12, 64, 4, 257, 64)


def with_option(option: Option) -> Candidate:
    return Candidate(SIZES, InferencePolicy((option,)))


@given(
    threshold=st.floats(0, 1), first=st.integers(1, 11), every=st.integers(1, 5),
    criterion=st.sampled_from(["margin", "saturation", "gate"]),
)  # fmt: skip
def test_a_table_s_prior_is_that_of_each_candidate(
    threshold: float, first: int, every: int, criterion: str
) -> None:
    option = EarlyExit(threshold=threshold, first=first, every=every, criterion=criterion)
    candidate = with_option(option)
    table = estimate(CandidateTable.of([SIZES, candidate]))
    alone = estimate(candidate)
    assert table.flops.decode_per_token[1] == pytest.approx(alone.flops.decode_per_token, rel=1e-9)
    assert table.flops.decode_per_token[0] == estimate(SIZES).flops.decode_per_token
    assert table.parameters.total[1] == alone.parameters.total


def test_the_prior_lets_a_share_of_one_minus_threshold_go_at_each_exit() -> None:
    option = EarlyExit(layers=(3, 6), thresholds=(0.9, 0.5), criterion="saturation")
    by_hand = Observed(exit_shares=(0.1, 0.45, 0.45))
    candidate = with_option(option)
    measured = estimate(candidate, observed=by_hand).flops
    assert estimate(candidate).flops.decode_per_token == pytest.approx(measured.decode_per_token)


@pytest.mark.parametrize(
    "option",
    [
        EarlyExit(layers=(1, 2), threshold=0.5),
        EarlyExit(first=4, every=4, thresholds=(0.3, 0.99), criterion="entropy"),
        WeightQuantization(layer_bits=(4,) * 6 + (8,) * 6),
    ],
)
def test_a_row_with_a_list_costs_in_a_table_what_it_costs_alone(option: Option) -> None:
    candidate = with_option(option)
    table = CandidateTable.of([SIZES, candidate, with_option(type(option)())])
    together, alone = estimate(table), estimate(candidate)
    assert together.flops.decode_per_token[1] == pytest.approx(alone.flops.decode_per_token)
    assert together.memory.weights_bytes[1] == alone.memory.weights_bytes
    names = ("flops_decode_per_token", "weights_bytes")
    columns = cost_columns(names=names)(table)
    assert columns["flops_decode_per_token"][1] == pytest.approx(alone.flops.decode_per_token)
    assert columns["weights_bytes"][1] == alone.memory.weights_bytes
    default = estimate(with_option(type(option)()))
    assert columns["weights_bytes"][2] == default.memory.weights_bytes
