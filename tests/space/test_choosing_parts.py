"""Choosing parts by importance, and the sizes on the way to a target. No torch."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.importance import (
    PRUNED,
    Importance,
    check_reachable,
    choose,
    evenly,
    steps_to,
)
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.pruning import PRUNING_FIELDS, Pruning

PARENT = Architecture(4, 24, 8, 300, 32, n_kv_heads=4, head_dim=4, d_ff=12, experts=3)


def random_importance(a: Architecture, seed: int) -> Importance:
    rng = np.random.default_rng(seed)
    return Importance(
        layers=rng.random(a.n_layers),
        heads=rng.random((a.n_layers, a.n_heads)),
        experts=rng.random((a.n_layers, a.experts)),
        ff_units=rng.random((a.n_layers, a.experts, a.d_ff)),
        channels=rng.random(a.d_model),
    )


def random_target(rng: random.Random) -> Architecture:
    sizes = {name: rng.randint(1, getattr(PARENT, name)) for name in PRUNED}
    sizes["n_heads"] = sizes["n_kv_heads"] * rng.randint(1, 2)
    sizes["d_model"] = max(2, sizes["d_model"])
    sizes["vocab_size"] = max(2, sizes["vocab_size"])
    return Architecture.from_json({**PARENT.to_json(), **sizes})


@pytest.mark.parametrize("seed", range(50))
def test_what_is_chosen_comes_to_the_targets_sizes(seed: int) -> None:
    target = random_target(random.Random(seed))
    kept = choose(PARENT, target, random_importance(PARENT, seed))
    assert kept.architecture(PARENT) == target


def test_the_highest_scores_stay_in_each_layer_for_itself() -> None:
    importance = random_importance(PARENT, 0)
    importance.layers[:] = [3, 1, 4, 2]
    importance.ff_units[0, 2] = np.arange(12)
    importance.ff_units[2, 2] = -np.arange(12)
    importance.experts[[0, 2]] = [0, 0, 1]
    importance.channels[:] = np.arange(24)
    sizes = {"n_layers": 2, "experts": 1, "d_ff": 3, "d_model": 4, "vocab_size": 257}
    target = Architecture.from_json({**PARENT.to_json(), **sizes})
    kept = choose(PARENT, target, importance)
    assert kept.layers == (0, 2)
    assert kept.experts == ((2,), (2,))
    assert kept.ff_units == (((9, 10, 11),), ((0, 1, 2),))
    assert kept.channels == (20, 21, 22, 23)
    assert kept.vocab_size == 257


def test_groups_stay_by_their_heads_sum_and_heads_within_them() -> None:
    importance = random_importance(PARENT, 0)
    importance.heads[:] = [5, 0, 3, 3, 0, 1, 2, 9]  # groups: 5, 6, 1, 11
    target = Architecture.from_json({**PARENT.to_json(), "n_heads": 2, "n_kv_heads": 2})
    assert choose(PARENT, target, importance).heads == ((2, 7),) * 4


def test_named_layers_stay_whatever_their_scores() -> None:
    target = Architecture.from_json({**PARENT.to_json(), "n_layers": 2})
    assert choose(PARENT, target, random_importance(PARENT, 0), layers=(1, 3)).layers == (1, 3)


def test_evenly_spaced_layers_hold_the_first_and_the_last() -> None:
    for n in range(2, 40):
        for kept in range(2, n + 1):
            places = evenly(n, kept)
            assert len(set(places)) == kept
            assert (places[0], places[-1]) == (0, n - 1)
            gaps = np.diff(places)
            assert gaps.max() - gaps.min() <= 1
    assert evenly(5, 1) == (0,)


@pytest.mark.parametrize("seed", range(20))
def test_rounds_go_down_to_the_target_and_never_up(seed: int) -> None:
    target = random_target(random.Random(seed))
    steps = steps_to(PARENT, target, 4)
    assert steps[-1] == target
    for before, after in zip([PARENT, *steps], steps, strict=False):
        assert choose(before, after, random_importance(before, seed)).architecture(before) == after


LAYERS = (LayerSizes(2, 1, 12), LayerSizes(0, 0, 3), LayerSizes(4, 2, 0), LayerSizes(8, 4, 5))


def test_each_layer_keeps_what_the_target_says_of_it() -> None:
    importance = random_importance(PARENT, 0)
    importance.heads[:] = [5, 0, 3, 3, 0, 1, 2, 9]  # groups: 5, 6, 1, 11
    importance.ff_units[:] = np.arange(12)
    target = PARENT.with_(layer_sizes=LAYERS)
    kept = choose(PARENT, target, importance)
    assert kept.heads == ((6, 7), (), (2, 3, 6, 7), tuple(range(8)))
    assert [units[0] for units in kept.ff_units] == [
        tuple(range(12)), (9, 10, 11), (), tuple(range(7, 12)),
    ]  # fmt: skip
    assert kept.architecture(PARENT) == target
    # Of a parent whose layers differ, each has its own to choose from.
    further = (LayerSizes(2, 1, 2), LayerSizes(0, 0, 1), LayerSizes(2, 1, 0), LayerSizes(0, 0, 5))
    again = choose(target, target.with_(layer_sizes=further), random_importance(target, 1))
    assert again.architecture(target).layer_sizes == further


def test_a_layer_can_t_get_more_than_it_has() -> None:
    parent = PARENT.with_(layer_sizes=LAYERS)
    for number, wanted, said in (
        (1, LayerSizes(2, 1, 3), "n_heads=2 is more than layer 1 of the parent has, 0"),
        (3, LayerSizes(8, 4, 6), "d_ff=6 is more than layer 3 of the parent has, 5"),
    ):
        layers = (*LAYERS[:number], wanted, *LAYERS[number + 1 :])
        with pytest.raises(InputError, match=said):
            check_reachable(parent, parent.with_(layer_sizes=layers))
    # Which of fewer layers stay decides what they can be.
    target = parent.with_(n_layers=2, layer_sizes=(LAYERS[0], LayerSizes(2, 1, 5)))
    check_reachable(parent, target)
    importance = random_importance(parent, 0)
    assert choose(parent, target, importance, layers=(0, 3)).architecture(parent) == target
    with pytest.raises(InputError, match="n_heads=2 is more than layer 1 of the parent has, 0"):
        choose(parent, target, importance, layers=(0, 1))


def test_rounds_take_equal_shares_of_each_layer() -> None:
    target = PARENT.with_(layer_sizes=LAYERS)
    middle, last = steps_to(PARENT, target, 2)
    assert middle.sizes_by_layer == (
        LayerSizes(4, 2, 12), LayerSizes(4, 2, 8), LayerSizes(6, 3, 6), LayerSizes(8, 4, 8),
    )  # fmt: skip
    assert last == target
    fewer = target.only_layers((0, 1, 2))
    before, after = steps_to(PARENT, fewer, 2)
    assert (before.n_layers, before.layer_sizes) == (4, ())
    assert after == fewer
    with pytest.raises(InputError, match=r"rounds=2: the parent's layers differ, .* one round"):
        steps_to(target, fewer, 2)
    assert steps_to(target, fewer, 1) == [fewer]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"d_ff": 13}, "d_ff=13 can't be reached: the parent has 12, and pruning only removes"),
        ({"norm": "layernorm"}, "norm='layernorm' can't be reached: the parent has 'rmsnorm'"),
        ({"head_dim": 2}, "head_dim=2 can't be reached"),
        ({"n_heads": 4, "n_kv_heads": 1}, "4 query heads for each KV head .* n_kv_heads=2 or more"),
        ({"experts_per_token": 2}, "of 3 experts 1 are used for each token"),
    ],
)
def test_a_target_out_of_reach_is_refused_with_what_could_be(changes: dict, said: str) -> None:
    target = Architecture.from_json({**PARENT.to_json(), **changes})
    with pytest.raises(InputError, match=said):
        choose(PARENT, target, random_importance(PARENT, 0))


def test_settings_of_pruning_are_those_of_the_catalogue_and_checked() -> None:
    given = Pruning("taylor", "greedy", 3, 99)
    assert Pruning.from_json(given.to_json()) == given
    for name, field in PRUNING_FIELDS.items():
        assert getattr(Pruning(), name) == field.default
        with pytest.raises(InputError, match=f"pruning: {name}.*'no'"):
            replace(given, **{name: "no"})
    with pytest.raises(InputError, match="unknown pruning setting 'round'"):
        Pruning.from_json({"round": 1})
