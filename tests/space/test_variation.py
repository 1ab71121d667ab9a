"""Neighbours, mutation, crossover and encoding: always feasible, and truly near."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spaces import small_space, spaces, weights

from nasviz.errors import InputError
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import CandidateTable

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def with_everything() -> SearchSpace:
    return (
        small_space()
        .with_dimension(Real("learning_rate", 1e-4, 1e-2, log=True))
        .with_dimension(Real("weight_decay", 0.0, 0.3, step=0.1))
        .with_dimension(Integer("batch_size", 4, 64, log=True))
        .with_dimension(Choice("mlp", ("relu2", "gelu", "swiglu")))
        .with_dimension(Choice("tied_embeddings", (False, True)))
        .with_dimension(Real("ff_ratio", 1.0, 4.0))
    )


def assert_same(one: CandidateTable, other: CandidateTable) -> None:
    assert set(one.columns) == set(other.columns)
    for name in one.columns:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, err_msg=name)


@some
@given(spaces(), st.integers(0, 2**32 - 1))
def test_encoding_goes_both_ways(space: SearchSpace, seed: int) -> None:
    if space.count().feasible:
        table = space.sample(30, seed)
        vectors = space.encode(table)
        assert vectors.shape == (30, len(space.dimensions))
        assert vectors.min() >= 0
        assert vectors.max() <= 1
        assert_same(space.decode(vectors), table)


def test_training_settings_and_continuous_ranges_are_encoded_too() -> None:
    space = with_everything()
    table = space.sample(200, seed=1)
    assert_same(space.decode(space.encode(table)), table)
    rate = space.encode(table)[:, space.names.index("learning_rate")]
    np.testing.assert_allclose(rate, (np.log10(table["learning_rate"]) + 4) / 2)


def test_the_ends_of_a_range_are_0_and_1() -> None:
    space = small_space().with_dimension(Real("learning_rate", 1e-4, 1e-2, log=True))
    corners = space.decode([[0, 0, 0, 0], [1, 1, 1, 1]])
    assert corners["n_layers"].tolist() == [1, 3]
    assert corners["d_model"].tolist() == [24, 72]
    assert corners["n_heads"].tolist() == [1, 7]
    assert corners["learning_rate"].tolist() == [1e-4, 1e-2]


@some
@given(spaces(), st.integers(0, 2**32 - 1))
def test_children_are_feasible(space: SearchSpace, seed: int) -> None:
    if not space.count().feasible:
        return
    one, other = space.sample(20, seed), space.sample(20, seed + 1)
    assert space.contains(space.mutate(one, seed)).all()
    assert space.contains(space.crossover(one, other, seed)).all()
    assert space.contains(space.neighbours(one.take([0]))).all()


def test_children_obey_limits_and_targets() -> None:
    limited = small_space().limited("parameters_total", 60_000)
    aimed = small_space().with_parameters(70_000, tolerance=0.3)
    for space in (limited, aimed):
        one, other = space.sample(50, 1, cost=weights), space.sample(50, 2, cost=weights)
        for children in (
            space.mutate(one, cost=weights),
            space.crossover(one, other, cost=weights),
            space.neighbours(one.take([0]), cost=weights),
        ):
            assert len(children)
            assert space.contains(children, cost=weights).all()


def test_a_child_of_two_parents_takes_each_dimension_from_one_of_them() -> None:
    space = with_everything()
    one, other = space.sample(200, 1), space.sample(200, 2)
    child = space.crossover(one, other, seed=3)
    for name in set(space.names) - {"ff_ratio"}:
        assert ((child[name] == one[name]) | (child[name] == other[name])).all(), name
    assert 0.3 < np.mean(child["batch_size"] == one["batch_size"]) < 0.9


def test_a_mutation_moves_few_dimensions_and_at_least_one_where_it_can() -> None:
    # Without the continuous ratio: a small move of it may round to the same feed-forward size.
    space = with_everything().fixed("ff_ratio", 2.0)
    parents = space.sample(300, 1)
    moved = (space.encode(space.mutate(parents, seed=3)) != space.encode(parents)).sum(axis=1)
    assert moved.min() >= 1
    assert 1 < moved.mean() < 3
    often = (space.encode(space.mutate(parents, 3, rate=1.0)) != space.encode(parents)).sum(axis=1)
    assert often.mean() > 2 * moved.mean()


def test_a_lonely_point_is_its_own_child() -> None:
    space = SearchSpace(
        (Choice("d_model", (22, 26)), Choice("n_heads", (11, 13))),
        base={"n_layers": 1, "vocab_size": 257, "context_length": 61},
    ).constrained("d_model == 22")
    only = space.sample(5)
    assert set(only["n_heads"].tolist()) == {11}
    assert_same(space.mutate(only), only)
    assert len(space.neighbours(only.take([0]))) == 0


def test_neighbours_are_the_nearest_feasible_values_of_each_dimension() -> None:
    space = small_space()
    table = CandidateTable.from_columns(
        {"n_layers": 2, "d_model": 48, "n_heads": 3, "vocab_size": 257, "context_length": 61}
    )
    near = space.neighbours(table)
    rows = set(zip(near["n_layers"].tolist(), near["d_model"].tolist(), near["n_heads"].tolist(),
                   strict=True))  # fmt: skip
    # 36 / 3 = 12 and 60 / 3 = 20 fit; of the heads of 48, 2 lies below 3, and 6 above (5 doesn't).
    assert rows == {(1, 48, 3), (3, 48, 3), (2, 36, 3), (2, 60, 3), (2, 48, 2), (2, 48, 6)}


def test_children_are_reproducible() -> None:
    space = with_everything()
    parents = space.sample(40, 1)
    assert_same(space.mutate(parents, 5), space.mutate(parents, 5))
    assert_same(space.crossover(parents, parents.take(range(39, -1, -1)), 5),
                space.crossover(parents, parents.take(range(39, -1, -1)), 5))  # fmt: skip


def test_parents_off_the_grid_stand_for_the_nearest_point() -> None:
    table = CandidateTable.from_columns(
        {
            "n_layers": [1, 9],
            "d_model": [29, 31],
            "n_heads": [1, 4],
            "vocab_size": 257,
            "context_length": 61,
        }
    )
    nearest = small_space().decode(small_space().encode(table))
    assert nearest["n_layers"].tolist() == [1, 3]
    assert nearest["d_model"].tolist() == [24, 36]
    assert nearest["n_heads"].tolist()[0] == 1


@pytest.mark.parametrize(
    ("vectors", "text"),
    [
        ([[0.5, 0.5]], "vectors have shape (1, 2); this space needs (n, 3)"),
        ([[0.5, 0.5, 1.5]], "values that are not in [0, 1]"),
        ([[0.5, 0.5, float("nan")]], "values that are not in [0, 1]"),
        (np.zeros((2, 2, 3)), "this space needs (n, 3)"),
    ],
)
def test_wrong_vectors_are_named(vectors: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        small_space().decode(vectors)
    assert text in str(caught.value)


def test_wrong_parents_are_named() -> None:
    space = small_space()
    table = space.sample(3)
    with pytest.raises(InputError, match="neighbours are of one candidate, not of 3"):
        space.neighbours(table)
    with pytest.raises(InputError, match="3 and 2 don't match"):
        space.crossover(table, table.take([0, 1]))
    with pytest.raises(InputError, match="rate=0 is no chance"):
        space.mutate(table, rate=0)
    with pytest.raises(InputError, match="this table has no column 'learning_rate'"):
        with_everything().encode(table)
    odd = small_space().with_dimension(Choice("mlp", ("gelu", "relu")))
    with pytest.raises(InputError, match="mlp: this space has no 'swiglu'"):
        odd.encode(table)
