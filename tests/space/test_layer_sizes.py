"""Sizes that differ by layer: what is allowed, their normal form, and JSON and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.space import toml
from nasviz.space.architecture import Architecture
from nasviz.space.layer_sizes import LayerSizes

FULL, NARROW = LayerSizes(6, 3, 53), LayerSizes(2, 1, 17)
NO_ATTENTION, NO_FEED_FORWARD = LayerSizes(0, 0, 53), LayerSizes(6, 3, 0)
UNIFORM = Architecture(4, 84, 6, 257, 61, n_kv_heads=3, d_ff=53)
LAYERS = (FULL, NARROW, NO_ATTENTION, NO_FEED_FORWARD)
DIFFERING = UNIFORM.with_(layer_sizes=LAYERS)


def layer_sizes(group: int = 2) -> st.SearchStrategy[LayerSizes]:
    both = st.tuples(st.integers(0, 5), st.integers(0, 99)).filter(any)
    return both.map(lambda each: LayerSizes(group * each[0], each[0], each[1]))


def lists_of_layers() -> st.SearchStrategy[list[LayerSizes]]:
    whole = st.lists(layer_sizes(), min_size=1, max_size=6)
    return whole.filter(
        lambda each: any(one.n_heads for one in each) and any(one.d_ff for one in each)
    )


@given(lists_of_layers())
def test_any_layers_are_an_architecture_that_goes_to_json_and_toml_and_back(
    layers: list[LayerSizes],
) -> None:
    sizes = UNIFORM.with_(n_layers=len(layers), layer_sizes=layers)
    assert sizes.sizes_by_layer == tuple(layers)
    assert [sizes.sizes_of(layer) for layer in range(len(layers))] == layers
    assert sizes.n_heads == max(each.n_heads for each in layers)
    assert sizes.n_kv_heads == max(each.n_kv_heads for each in layers)
    assert sizes.d_ff == max(each.d_ff for each in layers)
    assert sizes.head_dim == UNIFORM.head_dim
    for data in (json.loads(json.dumps(sizes.to_json())), toml.parse(toml.write(sizes.to_json()))):
        again = Architecture.from_json(data)
        assert again == sizes
        assert again.digest == sizes.digest


@given(layer_sizes(), st.integers(1, 9))
def test_layers_that_are_all_alike_are_the_uniform_architecture(
    each: LayerSizes, n_layers: int
) -> None:
    if not (each.n_heads and each.d_ff):
        return
    plain = Architecture(
        n_layers, 84, each.n_heads, 257, 61, each.n_kv_heads, head_dim=14, d_ff=each.d_ff
    )
    said = plain.with_(layer_sizes=(each,) * n_layers)
    assert said == plain
    assert said.layer_sizes == ()
    assert "layer_sizes" not in said.to_json()
    assert said.digest == plain.digest


def test_what_a_study_has_stored_keeps_its_digest() -> None:
    assert Architecture(3, 84, 7, 257, 61).digest == "6313829d22b56b3a"


def test_architectures_with_other_layers_are_other_ones() -> None:
    other = UNIFORM.with_(layer_sizes=(*LAYERS[1:], LAYERS[0]))
    assert other != DIFFERING
    assert other.digest != DIFFERING.digest
    assert DIFFERING != UNIFORM
    assert DIFFERING.title == "4 layers × 84 wide, sizes by layer"


def test_sizes_that_are_not_said_follow_from_the_layers() -> None:
    sizes = Architecture(2, 84, 2, 257, 61, layer_sizes=(NARROW, LayerSizes(2, 1, 19)))
    assert (sizes.n_kv_heads, sizes.d_ff, sizes.head_dim) == (1, 19, 42)


def test_other_sizes_change_while_the_layers_stay() -> None:
    wider = DIFFERING.with_(d_model=96, vocab_size=131)
    assert wider.layer_sizes == LAYERS
    assert wider.head_dim == 16
    assert DIFFERING.with_(layer_sizes=()) == UNIFORM


def test_some_of_the_layers_are_an_architecture_too() -> None:
    assert DIFFERING.only_layers((0, 2)).sizes_by_layer == (FULL, NO_ATTENTION)
    alike = DIFFERING.only_layers((1,))
    assert (alike.n_heads, alike.n_kv_heads, alike.d_ff, alike.layer_sizes) == (2, 1, 17, ())
    assert UNIFORM.only_layers((0, 3)) == UNIFORM.with_(n_layers=2)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"n_layers": 5}, "layer_sizes is said of 4 layers, and n_layers=5; give the sizes of"),
        ({"n_heads": 4}, "n_heads=4 is not the largest of layer_sizes; write n_heads=6"),
        ({"n_kv_heads": 6}, "n_kv_heads=6 is not the largest of layer_sizes; write n_kv_heads=3"),
        ({"d_ff": 54}, "d_ff=54 is not the largest of layer_sizes; write d_ff=53"),
        (
            {"layer_sizes": (FULL, NARROW, NARROW, LayerSizes(4, 4, 9)), "n_kv_heads": 4},
            "layer 3 has 1 query heads for each KV head and layer 0 has 2; give n_kv_heads so",
        ),
        ({"layer_sizes": (NO_ATTENTION,) * 4}, "n_heads is 0 in every layer; leave one with att"),
        ({"layer_sizes": (NO_FEED_FORWARD,) * 4}, "d_ff is 0 in every layer; leave one with a f"),
        ({"layer_sizes": "6666"}, "layer_sizes='6666' is not a list with the sizes of each layer"),
        ({"layer_sizes": [3]}, "layer_sizes, layer 0: a layer's sizes are an object of n_heads"),
        ({"layer_sizes": [{"n_head": 3}]}, "unknown size of a layer 'n_head'; did you mean 'n_hea"),
        ({"layer_sizes": [{"n_heads": 3}]}, "layer 0: a layer's sizes lack n_kv_heads, d_ff"),
    ],
)
def test_wrong_layers_are_refused_by_layer_value_and_remedy(
    said: dict[str, Any], text: str
) -> None:
    with pytest.raises(InputError) as error:
        Architecture.from_json({**DIFFERING.to_json(), **said})
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ((0, 0, 0), "n_heads=0 and d_ff=0 leave a layer that changes nothing: drop it, and say"),
        ((0, 2, 9), "n_heads=0 with n_kv_heads=2: without attention both are 0, with it both are"),
        ((2, 0, 9), "n_heads=2 with n_kv_heads=0"),
        ((3, 2, 9), "n_kv_heads=2 does not divide n_heads=3"),
        ((3, 3, -1), "d_ff=-1 is not a whole number from 0 on"),
        ((True, 1, 9), "n_heads=True is not a whole number"),
        ((2.0, 1, 9), "n_heads=2.0 is not a whole number"),
    ],
)
def test_sizes_that_no_layer_has_are_refused_with_their_layer(
    said: tuple[Any, ...], text: str
) -> None:
    with pytest.raises(InputError) as error:
        LayerSizes(*said)
    assert text in str(error.value)
    wrong = dict(zip(("n_heads", "n_kv_heads", "d_ff"), said, strict=True))
    with pytest.raises(InputError) as error:
        UNIFORM.with_(layer_sizes=[FULL, wrong, FULL, FULL])
    assert "layer_sizes, layer 1: " + text in str(error.value)
