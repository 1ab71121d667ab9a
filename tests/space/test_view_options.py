"""Options that change a pass's weights, as data: shares, layers, bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip, resolved
from nasviz.space.options.shares import share_of
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.search_space import SearchSpace

A = Architecture(8, 60, 6, 61, 13, n_kv_heads=3, head_dim=10, d_ff=53)
WHOLE = st.integers(1, 5000)
SHARE = st.floats(0.01, 1.0)
STEP = st.sampled_from([1, 8])


@given(WHOLE, SHARE, STEP)
def test_a_share_is_the_nearest_multiple_at_least_one_at_most_all(
    whole: int, share: float, step: int
) -> None:
    part = share_of(whole, share, step)
    assert isinstance(part, int)
    assert min(step, whole) <= part <= whole
    if share == 1:
        assert part == whole
    elif part not in (step, whole):
        assert part % step == 0
        assert abs(part - share * whole) <= step / 2 + 1e-9


@given(st.lists(st.tuples(WHOLE, SHARE), min_size=1), STEP)
def test_a_column_of_shares_is_each_share(rows: list[tuple[int, float]], step: int) -> None:
    wholes, shares = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    expected = [share_of(whole, share, step) for whole, share in rows]
    assert share_of(wholes, shares, step).tolist() == expected


@given(WHOLE, SHARE, SHARE, STEP)
def test_a_larger_share_is_never_a_smaller_part(
    whole: int, one: float, other: float, step: int
) -> None:
    low, high = sorted((one, other))
    assert share_of(whole, low, step) <= share_of(whole, high, step)


def test_width_keeps_whole_groups_of_heads_and_multiples_of_eight() -> None:
    narrow = DynamicWidth(ff_share=0.5, head_share=0.7).running(A)
    assert (narrow.n_heads, narrow.n_kv_heads, narrow.d_ff, narrow.head_dim) == (4, 2, 24, 10)
    least = DynamicWidth(ff_share=0.01, head_share=0.01).running(A)
    assert (least.n_heads, least.n_kv_heads, least.d_ff) == (2, 1, 8)
    assert DynamicWidth(1.0, 1.0).running(A) == A


def test_layers_are_chosen_as_said() -> None:
    assert resolved(LayerSkip(0.5), 8).layers == (0, 2, 5, 7)
    assert resolved(LayerSkip(0.5, "first"), 8).layers == (0, 1, 2, 3)
    assert resolved(LayerSkip(0.5, "last"), 8).layers == (4, 5, 6, 7)
    influence = [0.9, 0.1, 0.3, 0.2, 0.8, 0.2, 0.4, 0.05]
    assert resolved(LayerSkip(0.5, "influence"), 8, influence).layers == (0, 2, 4, 6)
    assert resolved(LayerSkip(layers=(3, 5)), 8).layers == (3, 5)
    assert LayerSkip(layers=(3, 5)).running(A).n_layers == 2


@given(st.integers(1, 60), SHARE, st.sampled_from(["uniform", "influence", "first", "last"]))
def test_as_many_layers_as_said_are_named_in_rising_order(
    n_layers: int, keep: float, choose: str
) -> None:
    option = LayerSkip(keep, choose)
    named = resolved(option, n_layers, [1.0] * n_layers)
    assert len(named.layers) == option.kept(n_layers) == named.kept(n_layers)
    assert list(named.layers) == sorted(set(named.layers))
    assert set(named.layers) <= set(range(n_layers))


def test_influence_that_was_not_measured_is_asked_for() -> None:
    with pytest.raises(InputError, match=r"measured scores: take them with .*block_influence"):
        resolved(LayerSkip(0.5, "influence"), 8)
    with pytest.raises(InputError, match="3 layers doesn't fit n_layers=8"):
        resolved(LayerSkip(0.5, "influence"), 8, [0.1, 0.2, 0.3])
    assert resolved(LayerSkip(1.0, "influence"), 3).layers == (0, 1, 2)


def test_wrong_layers_and_bits_are_refused_with_what_is_right() -> None:
    with pytest.raises(InputError, match="rising order"):
        LayerSkip(layers=(2, 1))
    with pytest.raises(InputError, match="n_layers=8 are counted from 0; the last is 7"):
        LayerSkip(layers=(2, 8)).check_fits(A)
    with pytest.raises(InputError, match=r"weight_quantization\.bits=5 is not .*; nearest: 4"):
        WeightQuantization(bits=5)
    with pytest.raises(InputError, match=r"layer_bits=12 is not .*; nearest: 16"):
        WeightQuantization(layer_bits=(8, 12))
    with pytest.raises(InputError, match=r"group_size=48 is not 32, 64, 128 or 256"):
        WeightQuantization(group_size=48)
    with pytest.raises(InputError, match="3 numbers for n_layers=8"):
        WeightQuantization(layer_bits=(8, 4, 8)).check_fits(A)
    with pytest.raises(InputError, match=r"activation_sparsity\.keep=0"):
        ActivationSparsity(keep=0)


def test_exits_must_stand_in_the_layers_that_run() -> None:
    half = LayerSkip(keep=0.5)
    InferencePolicy((EarlyExit(first=3), half)).check_fits(A)
    with pytest.raises(InputError, match=r"n_layers=4, early_exit\.first=4: .* lower"):
        InferencePolicy((EarlyExit(first=4), half)).check_fits(A)
    with pytest.raises(InputError, match="leave out those from 4 up"):
        InferencePolicy((EarlyExit(layers=(2, 5)), half)).check_fits(A)


def test_bits_of_layers_are_those_of_all_layers_also_where_some_are_skipped() -> None:
    bits = WeightQuantization(layer_bits=(8, 4, 4, 4, 4, 4, 4, 8))
    InferencePolicy((LayerSkip(keep=0.5), bits)).check_fits(A)


def test_a_space_has_exits_only_in_the_layers_that_run() -> None:
    space = SearchSpace(
        (
            Integer("n_layers", 2, 6),
            Choice("layer_skip", (False, True)),
            Real("layer_skip.keep", 0.25, 1.0, step=0.25),
            Integer("early_exit.first", 1, 5),
        ),
        base={
            "d_model": 64,
            "n_heads": 4,
            "vocab_size": 61,
            "context_length": 13,
            "early_exit": True,
        },
    )
    expected = {
        (n_layers, keep, first)
        for n_layers in range(2, 7)
        for keep in (None, 0.25, 0.5, 0.75, 1.0)  # None: no layer is skipped
        for first in range(1, 6)
        if first < (share_of(n_layers, keep) if keep else n_layers)
    }
    candidates = list(space.enumerate())  # each one checks itself
    found = {
        (
            each.architecture.n_layers,
            skip.keep if skip else None,
            each.inference.get(EarlyExit).first,
        )
        for each in candidates
        for skip in [each.inference.get(LayerSkip)]
    }
    assert found == expected
    assert space.count().feasible == len(expected) == len(candidates)
