"""Architectures and the field catalogue: derived sizes, round trips, and every wrong value."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.space.architecture import REQUIRED, Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.field import Field
from nasviz.space.fields import ARCHITECTURE_FIELDS, FIELDS, field_named
from nasviz.space.inference import InferencePolicy

SMALL: dict[str, Any] = {
    "n_layers": 3,
    "d_model": 84,
    "n_heads": 7,
    "vocab_size": 257,
    "context_length": 61,
}


def small(**changes: Any) -> Architecture:
    return Architecture(**{**SMALL, **changes})


def wrong_values(field: Field) -> list[Any]:
    """What this field must refuse, made from its own entry in the catalogue."""
    always: list[Any] = [[], {}, object()]
    if field.kind == "switch":
        return [*always, 1, "true", 0.0]
    if field.kind == "choice":
        return [*always, "", 1, True, field.choices[0].upper() + "x"]
    assert field.low is not None
    assert field.high is not None
    beyond = [field.low - 1, field.high * 2 + 1]
    numbers = [*always, "12", True, float("nan"), float("inf"), *beyond]
    return [*numbers, field.low + 0.5] if field.kind == "integer" else numbers


WRONG = [(field.name, value) for field in ARCHITECTURE_FIELDS for value in wrong_values(field)]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda each: str(each)[:20])
def test_every_field_refuses_its_wrong_values_by_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        small(**{name: value})


def test_derived_sizes_are_concrete() -> None:
    sizes = small()
    assert (sizes.n_kv_heads, sizes.head_dim, sizes.d_ff) == (7, 12, 224)
    assert small(mlp="relu").d_ff == 4 * 84


def test_a_gated_feed_forward_part_is_the_multiple_of_8_nearest_above_8_3() -> None:
    for width in (21, 64, 96, 100, 101, 4096):
        d_ff = Architecture(1, width, 1, 256, 8, position="none").d_ff
        assert d_ff % 8 == 0
        assert 0 <= d_ff - 8 * width / 3 < 8


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"n_heads": 5}, "n_heads=5 does not divide d_model=84; nearest: 4, 6"),
        ({"n_kv_heads": 2}, "n_kv_heads=2 does not divide n_heads=7; nearest: 1, 7"),
        ({"n_heads": 4}, "rotary positions turn pairs of dimensions, and head_dim=21"),
        ({"experts": 2, "experts_per_token": 3}, "experts_per_token=3 is more than experts=2"),
        ({"position": "learnt"}, "unknown position 'learnt'; did you mean 'learned'?"),
        ({"n_layers": 0}, "n_layers=0 is out of range; allowed: from 1 to 1_024"),
        ({"n_layers": 2.5}, "n_layers=2.5 is not a whole number"),
        ({"dropout": float("nan")}, "dropout=nan is not a number"),
    ],
)
def test_an_error_names_value_place_and_remedy(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        small(**changes)
    assert text in str(caught.value)


def test_json_goes_both_ways_and_keeps_the_digest() -> None:
    sizes = small(n_kv_heads=1, mlp="geglu", tied_embeddings=False, norm_eps=1e-6)
    again = Architecture.from_json(json.loads(json.dumps(sizes.to_json())))
    assert again == sizes
    assert again.digest == sizes.digest
    assert hash(again) == hash(sizes)


def test_numpy_numbers_become_plain_ones() -> None:
    sizes = small(n_layers=np.int32(3), dropout=np.float32(0.5))
    assert type(sizes.n_layers) is int
    assert type(sizes.dropout) is float
    assert sizes == small(dropout=0.5)


def test_different_sizes_have_different_digests() -> None:
    variants = [small(), small(n_layers=4), small(qk_norm=False), small(n_heads=1, n_kv_heads=1)]
    assert len({each.digest for each in variants}) == len(variants)


def test_with_lets_derived_sizes_follow_and_keeps_chosen_ones() -> None:
    assert small().with_(d_model=168).d_ff == 448
    assert small().with_(d_model=168).head_dim == 24
    assert small(d_ff=100).with_(d_model=168).d_ff == 100
    assert small().with_(n_heads=6).n_kv_heads == 6


def test_unknown_and_missing_fields_are_named() -> None:
    with pytest.raises(InputError, match=r"unknown architecture field 'n_layer'.*'n_layers'"):
        Architecture.from_json({**SMALL, "n_layer": 3})
    with pytest.raises(InputError, match="lacks vocab_size"):
        Architecture.from_json({name: SMALL[name] for name in REQUIRED if name != "vocab_size"})
    with pytest.raises(InputError, match="an architecture is an object of sizes"):
        Architecture.from_json([3, 84])


def test_candidates_go_through_json_and_refuse_unknown_keys() -> None:
    candidate = Candidate(small())
    assert Candidate.from_json(candidate.to_json()) == candidate
    assert candidate.inference == InferencePolicy()
    with pytest.raises(InputError, match="unknown candidate key 'architectur'"):
        Candidate.from_json({"architectur": SMALL})
    with pytest.raises(InputError, match="did you mean 'early_exit'"):
        Candidate.from_json({"architecture": SMALL, "inference": {"early_exits": {}}})


def test_every_field_has_help_a_label_and_a_reference() -> None:
    for field in FIELDS.values():
        assert field.help.endswith(".")
        assert field.label
        assert field.reference


def test_an_unknown_field_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'learning_rate'"):
        field_named("learning_rat")


@given(
    st.integers(1, 9), st.integers(1, 12), st.integers(1, 40).map(lambda half: 2 * half),
    st.data(),
)  # fmt: skip
def test_any_sizes_that_fit_make_an_architecture(
    layers: int, heads: int, head_dim: int, data: st.DataObject
) -> None:
    kv_heads = data.draw(st.sampled_from([n for n in range(1, heads + 1) if heads % n == 0]))
    sizes = Architecture(
        n_layers=layers,
        d_model=heads * head_dim,
        n_heads=heads,
        vocab_size=257,
        context_length=61,
        n_kv_heads=kv_heads,
    )
    assert sizes.head_dim == head_dim
    assert sizes.rotary_dim == head_dim


def test_a_range_is_written_out_as_a_person_types_it() -> None:
    with pytest.raises(InputError, match=r"allowed: from 2 to 4_194_304$"):
        Architecture(n_layers=2, d_model=96, n_heads=3, vocab_size=5_000_000, context_length=64)
