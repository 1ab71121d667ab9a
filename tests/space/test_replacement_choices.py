"""What a block can become, the models that such choices make, and what is asked of them."""

from __future__ import annotations

import numpy as np
import pytest

from nasviz import Architecture, PerLayer
from nasviz.errors import InputError
from nasviz.space.importance import Importance
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.lineage import Lineage
from nasviz.space.pruning import Pruning
from nasviz.space.replacement.choices import architecture_of, choices_of, kept_by, needs_of, picked

PARENT = Architecture(3, 96, 6, 257, 31, n_kv_heads=3, d_ff=20)


def test_the_first_choice_is_the_layer_itself_and_the_last_is_none() -> None:
    (layer, *others) = choices_of(PARENT, "halves")
    assert others == [layer, layer]
    assert layer == (
        LayerSizes(6, 3, 20), LayerSizes(6, 3, 10), LayerSizes(6, 3, 0),
        LayerSizes(4, 2, 20), LayerSizes(4, 2, 10), LayerSizes(4, 2, 0),
        LayerSizes(0, 0, 20), LayerSizes(0, 0, 10), None,
    )  # fmt: skip


def test_shares_that_come_to_the_same_heads_are_one_choice() -> None:
    two = choices_of(PARENT.with_(n_heads=4, n_kv_heads=2), "quarters")[0]
    assert len(two) == len(set(two)) == 3 * 5
    one = choices_of(PARENT.with_(n_heads=4, n_kv_heads=1), "quarters")[0]
    assert {each.n_heads for each in one if each is not None} == {4, 0}


def test_layers_that_differ_are_cut_from_what_each_of_them_has() -> None:
    parent = PARENT.with_(
        layer_sizes=(LayerSizes(6, 3, 20), LayerSizes(0, 0, 8), LayerSizes(2, 1, 0))
    )
    first, second, third = choices_of(parent, "halves")
    assert len(first) == len(second) == len(third) == 9
    assert (first[0], second[0], third[0]) == parent.layer_sizes
    assert set(second) == {LayerSizes(0, 0, 8), LayerSizes(0, 0, 4), None}
    assert set(third) == {LayerSizes(2, 1, 0), None}


def test_a_selection_is_an_architecture_without_the_layers_that_are_left_out() -> None:
    choices = choices_of(PARENT, "halves")
    layers = picked(choices, (4, 8, 6))
    found = architecture_of(PARENT, layers)
    assert found.sizes_by_layer == (LayerSizes(4, 2, 10), LayerSizes(0, 0, 20))
    assert (found.n_heads, found.head_dim, found.d_ff) == (4, 16, 20)
    assert architecture_of(PARENT, picked(choices, (0, 0, 0))) == PARENT
    attention, feed_forward = needs_of(choices)
    assert attention[0].tolist() == [True] * 6 + [False] * 3
    assert feed_forward[2].tolist() == [True, True, False] * 3


def test_the_most_important_parts_of_each_layer_stay() -> None:
    heads = np.zeros((3, 6))
    heads[0, 4:] = 1  # the last KV head's
    units = np.tile(np.arange(20.0), (3, 1, 1))
    importance = Importance(np.ones(3), heads, np.ones((3, 1)), units, np.ones(96))
    kept = kept_by(PARENT, importance, (LayerSizes(2, 1, 10), None, LayerSizes(6, 3, 0)))
    assert kept.layers == (0, 2)
    assert kept.heads == ((4, 5), (0, 1, 2, 3, 4, 5))
    assert kept.ff_units == ((tuple(range(10, 20)),), ((),))


def test_one_layer_is_refused() -> None:
    with pytest.raises(InputError, match="no layers to tell apart; prune it as a whole"):
        choices_of(PARENT.with_(n_layers=1), "halves")


def test_what_is_asked_is_stored_with_the_lineage_and_read_again() -> None:
    asked = PerLayer(max_parameters=10, max_memory_bytes=1e6, scores="shared", grid="quarters")
    assert asked.limits == {"max_parameters": 10, "max_memory_bytes": 1e6}
    lineage = Lineage(parent_trial=3, per_layer=asked)
    assert Lineage.from_json(lineage.to_json()) == lineage
    assert "per_layer" not in Lineage(parent_trial=3).to_json()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "no limit is given; say one of max_parameters, max_time_per_token_s"),
        ({"max_parameters": 0}, "max_parameters=0 is no positive number"),
        ({"max_memory_bytes": float("inf")}, "max_memory_bytes=inf is no positive number"),
        ({"max_parameters": 9, "scores": "locale"}, "did you mean 'local'"),
        ({"max_parameters": 9, "grid": "thirds"}, "unknown per layer: grid 'thirds'"),
        ({"max_parameters": 9, "local_steps": 0}, "local_steps=0 is out of range"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        PerLayer.from_json(asked)


def test_limits_and_rounds_do_not_go_together() -> None:
    with pytest.raises(InputError, match="rounds=2: layers that are scored one by one"):
        Lineage(parent_trial=3, per_layer=PerLayer(9), pruning=Pruning(rounds=2))
