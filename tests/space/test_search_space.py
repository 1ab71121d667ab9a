"""Search spaces against brute force: counts, samples, enumeration, narrowing."""

from __future__ import annotations

import copy
import itertools
import pickle
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spaces import BASE, feasible_points, small_space, spaces, values_of, weights

from nasviz.errors import InputError
from nasviz.space import factors, sampling
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import CandidateTable

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows_of(space: SearchSpace, table: CandidateTable) -> list[tuple[float, ...]]:
    columns = [table[name].tolist() for name in space.names]
    return list(zip(*columns, strict=True))


@some
@given(spaces())
def test_enumeration_finds_what_brute_force_finds(space: SearchSpace) -> None:
    expected = [architecture for _, architecture in feasible_points(space)]
    if not expected:
        with pytest.raises(InputError, match=r"nothing in the space|no feasible candidate"):
            space.enumerate()
        return
    found = [candidate.architecture for candidate in space.enumerate()]
    key = lambda each: str(each.to_json())  # noqa: E731
    assert sorted(found, key=key) == sorted(expected, key=key)


@some
@given(spaces())
def test_the_count_is_exact_and_its_reasons_add_up(space: SearchSpace) -> None:
    count = space.count()
    n_points = len(list(itertools.product(*[values_of(each) for each in space.dimensions])))
    assert count.exact
    assert count.total == n_points
    assert count.feasible == len(list(feasible_points(space)))
    assert count.feasible + sum(count.excluded.values()) == count.total
    assert all(part > 0 for part in count.excluded.values())


@some
@given(spaces(), st.integers(0, 2**32 - 1))
def test_every_sample_is_a_feasible_architecture(space: SearchSpace, seed: int) -> None:
    feasible = {str(architecture.to_json()) for _, architecture in feasible_points(space)}
    if not feasible:
        return
    table = space.sample(50, seed)
    assert len(table) == 50
    assert {str(candidate.architecture.to_json()) for candidate in table} <= feasible
    assert space.contains(table).all()


def chi_square_is_plausible(counts: list[int], n_cells: int) -> bool:
    """Whether counts are within five deviations of even ones; chi² has variance 2 × freedom."""
    expected = sum(counts) / n_cells
    missing = n_cells - len(counts)
    chi_square = sum((count - expected) ** 2 for count in counts) / expected + missing * expected
    freedom = n_cells - 1
    return abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


def test_samples_are_uniform_over_the_feasible_points() -> None:
    space = small_space().constrained("d_model >= 12 * n_layers")
    cells = len(space.enumerate())
    counts = Counter(rows_of(space, space.sample(60_000, seed=7)))
    assert len(counts) == cells
    assert chi_square_is_plausible(list(counts.values()), cells)


def test_samples_under_a_cost_limit_are_uniform_and_reach_every_point() -> None:
    space = small_space().limited("parameters_total", 60_000)
    cells = len(space.enumerate(cost=weights))
    table = space.sample(60_000, seed=7, cost=weights)
    assert weights(table)["parameters_total"].max() <= 60_000
    counts = Counter(rows_of(space, table))
    assert len(counts) == cells
    assert chi_square_is_plausible(list(counts.values()), cells)


def test_rejection_from_a_factor_too_large_to_list_is_uniform_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = len(small_space().enumerate())
    monkeypatch.setattr(factors, "MAX_LISTED", 10)
    space = small_space(name="unlisted")
    assert space.plan.leftover
    counts = Counter(rows_of(space, space.sample(60_000, seed=3)))
    assert len(counts) == cells
    assert chi_square_is_plausible(list(counts.values()), cells)
    assert space.count().feasible == cells


def test_where_almost_nothing_is_feasible_the_sample_is_enumerated() -> None:
    space = small_space().limited("parameters_total", 13_100)
    everything = set(rows_of(space, space.enumerate(cost=weights)))
    assert len(everything) < 8
    assert set(rows_of(space, space.sample(5_000, cost=weights))) == everything


def test_a_continuous_range_is_sampled_evenly_by_its_logarithm() -> None:
    space = small_space().with_dimension(Real("learning_rate", 1e-4, 1e-2, log=True))
    rates = space.sample(40_000, seed=5)["learning_rate"]
    assert rates.min() >= 1e-4
    assert rates.max() <= 1e-2
    counts = np.histogram(np.log10(rates), bins=20, range=(-4, -2))[0]
    assert chi_square_is_plausible(counts.tolist(), 20)


def test_a_rule_may_tie_sizes_to_training_settings() -> None:
    space = small_space().with_dimension(Real("learning_rate", 1e-4, 1e-2, log=True))
    space = space.constrained(lambda learning_rate, d_model: learning_rate * d_model < 0.1)
    table = space.sample(5_000)
    assert (table["learning_rate"] * table["d_model"] < 0.1).all()
    count = space.count()
    assert not count.exact
    assert 0 < count.standard_error < count.feasible
    assert count.excluded["a rule on learning_rate, d_model"] > 0


def test_an_estimated_count_is_within_its_error_of_the_exact_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nasviz.space import counting

    space = small_space().limited("parameters_total", 60_000)
    exact = space.count(cost=weights)
    monkeypatch.setattr(counting, "MAX_COUNTED", 0)
    estimated = space.count(cost=weights, draws=20_000, seed=1)
    assert exact.exact
    assert not estimated.exact
    assert abs(estimated.feasible - exact.feasible) < 5 * estimated.standard_error
    assert estimated.feasible + sum(estimated.excluded.values()) == estimated.total


def test_a_seed_gives_the_same_sample_and_another_seed_another() -> None:
    space = small_space()
    first, again, other = space.sample(99, 1), space.sample(99, 1), space.sample(99, 2)
    assert rows_of(space, first) == rows_of(space, again)
    assert rows_of(space, first) != rows_of(space, other)


@pytest.mark.parametrize("solve_for", ["d_model", ("n_layers", "d_model")])
def test_a_target_solves_for_the_nearest_feasible_sizes(solve_for: str | tuple[str, ...]) -> None:
    target = 70_000
    space = small_space().with_parameters(target, solve_for, tolerance=0.5)
    solved = space.sample(300, cost=weights)
    everything = small_space().enumerate()
    sizes = (solve_for,) if isinstance(solve_for, str) else solve_for
    others = [name for name in space.names if name not in sizes]
    miss_of_all = np.abs(weights(everything)["parameters_total"] - target)
    miss = np.abs(weights(solved)["parameters_total"] - target)
    for row in range(len(solved)):
        rivals = np.ones(len(everything), dtype=bool)
        for name in others:
            rivals &= everything[name] == solved[name][row]
        assert miss[row] == miss_of_all[rivals].min()
    assert (miss <= 0.5 * target).all()
    assert space.contains(solved, cost=weights).all()


def test_a_target_samples_evenly_what_it_does_not_solve_for() -> None:
    space = small_space().with_parameters(70_000, "d_model", tolerance=0.3)
    counts = Counter(rows_of(space, space.sample(30_000, seed=2, cost=weights)))
    assert len(counts) == space.count(cost=weights).feasible
    assert chi_square_is_plausible(list(counts.values()), len(counts))


def test_a_target_out_of_reach_is_named() -> None:
    space = small_space().with_parameters(1e9)
    with pytest.raises(InputError, match="no d_model gives 1,000,000,000 weights within 10%"):
        space.sample(5, cost=weights)


@pytest.mark.parametrize("wrong", [float("nan"), "3", True, [2]])
@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", ["d_model", "n_heads", "learning_rate"])
def test_narrowing_to_what_is_no_number_names_it(name: str, end: str, wrong: object) -> None:
    """On a grid, on a choice of numbers and on a continuous range."""
    space = small_space().with_dimension(Real("learning_rate", 1e-4, 1e-2, log=True))
    with pytest.raises(InputError) as caught:
        space.narrowed(name, **{end: wrong})  # type: ignore[arg-type]
    assert str(caught.value) == f"{name}: {end}={wrong!r} is not a number to narrow it to"


def test_narrowing_keeps_the_grid() -> None:
    space = small_space().narrowed("d_model", 30, 71)
    assert space.dimension("d_model").grid.tolist() == [36, 48, 60]
    assert space.narrowed("n_heads", choices=[2, 6]).dimension("n_heads").choices == (2, 6)
    assert space.narrowed("n_heads", 3, 6).dimension("n_heads").choices == (3, 5, 6)
    doubled = Integer("vocab_size", 256, 4096, log=True).narrowed(300, 2048)
    assert doubled.grid.tolist() == [512, 1024, 2048]


@some
@given(spaces(), st.data())
def test_a_narrowed_space_is_part_of_the_whole(space: SearchSpace, data: st.DataObject) -> None:
    dimension = data.draw(st.sampled_from(space.dimensions))
    kept = data.draw(st.sets(st.sampled_from(values_of(dimension)), min_size=1))
    narrow = space.narrowed(dimension.name, choices=sorted(kept))
    if narrow.count().feasible:
        assert space.contains(narrow.sample(20)).all()
    assert narrow.count().feasible <= space.count().feasible


def test_fixing_moves_a_dimension_into_the_base_and_freeing_brings_it_back() -> None:
    space = small_space().fixed("n_layers", 2)
    assert space.names == ("d_model", "n_heads")
    assert set(space.sample(20)["n_layers"].tolist()) == {2}
    assert space.with_dimension(Integer("n_layers", 1, 3)).names == (
        "d_model",
        "n_heads",
        "n_layers",
    )


def test_containing_refuses_what_is_off_the_grid_infeasible_or_differs_in_the_base() -> None:
    table = CandidateTable.from_columns(
        {
            "n_layers": [1, 1, 1, 9],
            "d_model": [24, 25, 24, 24],
            "n_heads": [2, 1, 5, 2],
            "vocab_size": 257,
            "context_length": 61,
        }
    )
    assert small_space().contains(table).tolist() == [True, False, False, False]
    other = small_space(base={**BASE, "vocab_size": 31})
    assert not other.contains(table).any()


def test_a_space_with_a_target_contains_only_the_solved_sizes() -> None:
    space = small_space().with_parameters(70_000, "d_model", tolerance=0.3)
    solved = set(rows_of(space, space.enumerate(cost=weights)))
    everything = small_space().enumerate()
    inside = space.contains(everything, cost=weights)
    assert set(rows_of(space, everything.take(inside))) == solved
    assert len(solved) < len(everything)


def test_spaces_can_be_copied_and_sent_to_another_process() -> None:
    space = small_space().constrained("n_layers > 1").limited("depth", 2).with_parameters(70_000)
    assert copy.deepcopy(space) == space
    assert pickle.loads(pickle.dumps(space)) == space
    assert copy.copy(space).count(cost=weights) == space.count(cost=weights)


def test_spaces_are_values() -> None:
    assert small_space() == small_space()
    assert hash(small_space()) == hash(small_space())
    assert small_space() != small_space().narrowed("n_layers", 1, 2)


@pytest.mark.parametrize("name", ["laptop", "workstation", "datacentre", "dynamic"])
def test_the_named_spaces_give_architectures(name: str) -> None:
    space = SearchSpace.named(name)
    assert [candidate.architecture.n_layers for candidate in space.sample(25)]
    assert space.count().exact
    assert getattr(SearchSpace, name)() == space


def test_no_candidate_of_the_laptop_space_is_too_large_for_a_laptop() -> None:
    table = SearchSpace.laptop().sample(20_000)
    assert weights(table)["parameters_total"].max() < 1e7
    assert set(table["vocab_size"].tolist()) == {256, 512, 1024, 2048, 4096}


def test_twenty_thousand_candidates_are_drawn_faster_than_one_by_one() -> None:
    """Vectorised: the whole sample takes less than building a fiftieth of it row by row."""
    space = SearchSpace.laptop()
    space.sample(10)
    start = time.perf_counter()
    table = space.sample(20_000)
    drawn = time.perf_counter() - start
    start = time.perf_counter()
    for index in range(400):
        table.row(index)
    assert drawn < time.perf_counter() - start + 0.05


def test_an_impossible_base_says_so() -> None:
    space = small_space(
        dimensions=(Integer("n_layers", 1, 3),), base={**BASE, "d_model": 25, "n_heads": 2}
    )
    assert space.count().feasible == 0
    assert space.count().excluded == {"n_heads does not divide d_model": 3}
    with pytest.raises(InputError, match="fixed in the base"):
        space.sample(1)


def test_the_tightest_constraint_is_named_where_nothing_is_feasible() -> None:
    space = small_space(
        dimensions=(
            Integer("n_layers", 1, 3),
            Choice("d_model", (22, 26)),
            Choice("n_heads", (3, 5, 11)),
        )
    ).constrained("d_model > 25", name="wide enough")
    with pytest.raises(InputError) as caught:
        space.sample(1)
    assert "nothing in the space 'space' is feasible" in str(caught.value)
    assert "n_heads does not divide d_model excludes 83.3% of the values" in str(caught.value)


def test_a_hopeless_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "PATIENCE", 5_000)
    space = small_space().with_dimension(Real("learning_rate", 0.1, 0.2)).limited("depth", 0)
    with pytest.raises(
        InputError, match=r"no feasible candidate .*: depth is above 0 excludes all"
    ):
        space.sample(5, cost=weights)
