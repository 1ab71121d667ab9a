"""The exact solver of the choice for each block: against all selections, greedy and chance."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from replacement_problems import invented

from nasviz.errors import InputError, RunError
from nasviz.space.replacement.chance import by_chance
from nasviz.space.replacement.exact import check_reachable, solve
from nasviz.space.replacement.greedy import greedy
from nasviz.space.replacement.problem import Limit, ReplacementProblem


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.35, 0.6])
def test_the_exact_selection_is_the_best_of_all_selections(seed: int, share: float) -> None:
    small = invented(seed, share, n_blocks=5, n_choices=4)
    generator = np.random.default_rng(seed)
    problem = replace(small, needs=(generator.random((5, 4)) < 0.3,))
    everything = np.array(list(itertools.product(range(4), repeat=5)))
    fits = everything[problem.fits(everything)]
    best = fits[problem.loss(fits).argmin()]
    assert solve(problem).tolist() == best.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_of_32_blocks_with_8_choices_nothing_beats_the_exact_selection(seed: int) -> None:
    problem = invented(seed, 0.5)
    exact, stepwise, chance = solve(problem), greedy(problem), by_chance(problem, 300, seed)
    assert stepwise is not None
    assert len(chance) == 300
    for found in (exact, stepwise, chance):
        assert problem.fits(found).all()
    assert problem.loss(exact) < problem.loss(stepwise) < problem.loss(chance).min()


def test_greedy_spends_what_a_last_step_freed_too_much() -> None:
    losses = np.array([[0.0, 1.0], [0.0, 6.0]])
    used = np.array([[4.0, 2.0], [9.0, 1.0]])
    problem = ReplacementProblem(losses, (Limit("weights", used, 5.0),))
    # The first block is cut first, for the least loss a weight; after the second it fits whole.
    assert greedy(problem).tolist() == [0, 1]  # type: ignore[union-attr]


def test_greedy_says_so_where_single_steps_lead_nowhere() -> None:
    losses = np.array([[0.0, 1.0, 1.0]])
    limits = (
        Limit("weights", np.array([[3.0, 1.0, 4.0]]), 2.0),
        Limit("time", np.array([[0.0, 9.0, 1.0]]), 1.0),
    )
    assert greedy(ReplacementProblem(losses, limits)) is None


def test_a_limit_may_be_met_exactly() -> None:
    problem = invented(1, 0.5)
    chosen = solve(problem)
    used = problem.used(chosen)
    tight = tuple(replace(limit, most=used[limit.name]) for limit in problem.limits)
    assert solve(replace(problem, limits=tight)).tolist() == chosen.tolist()


def test_without_limits_every_block_gets_its_least_loss() -> None:
    problem = replace(invented(2, 0.5), limits=())
    assert solve(problem).tolist() == problem.losses.argmin(axis=1).tolist()


def test_what_is_needed_is_there_at_least_once() -> None:
    losses = np.array([[0.0, 5.0], [0.0, 4.0], [0.0, 6.0]])
    second = np.array([[False, True]] * 3)
    problem = ReplacementProblem(losses, (), needs=(second,))
    assert solve(problem).tolist() == [0, 1, 0]
    assert greedy(problem).tolist() == [0, 1, 0]  # type: ignore[union-attr]
    assert by_chance(problem, 20, seed=0).any(axis=1).all()


def test_a_limit_that_cannot_be_reached_is_named_with_the_least_that_can() -> None:
    problem = invented(3, 0.5)
    weights, seconds = problem.limits
    least = weights.base + weights.used.min(axis=1).sum()
    short = replace(problem, limits=(replace(weights, most=1_000_000.0), seconds))
    said = rf"parameters of at most 1e\+06 can't be reached: .* has {least:,.0f}$"
    for ask in (solve, check_reachable):
        with pytest.raises(InputError, match=said):
            ask(short)
    check_reachable(replace(problem, limits=(replace(weights, most=least),)))


def test_limits_that_exclude_each_other_are_named_together() -> None:
    weights = Limit("parameters", np.array([[5.0, 1.0], [5.0, 1.0]]), 6.0)
    seconds = Limit("time per token", np.array([[0.001, 0.1234567], [0.001, 0.1]]), 0.01, unit="s")
    with pytest.raises(
        InputError,
        match=r"time per token of at most 0.01 can't be reached together with parameters of at "
        r"most 6: within that the least is 0\.101 s",
    ):
        solve(ReplacementProblem(np.zeros((2, 2)), (weights, seconds)))


def test_amounts_are_rounded_up_so_that_they_can_be_asked_for() -> None:
    limit = Limit("time per token", np.zeros((1, 1)), 1.0, unit="s")
    assert limit.said(0.000123412) == "0.0001235 s"
    assert replace(limit, unit="").said(1234.2) == "1,235"
    assert replace(limit, unit="B").said(28_630.5) == "28,631 B"


def test_too_little_time_is_an_error_rather_than_a_worse_selection() -> None:
    with pytest.raises(RunError, match=r"wasn't proven within 1e-09 s"):
        solve(invented(4, 0.4), seconds=1e-9)


def test_numbers_that_are_none_and_tables_of_other_blocks_are_refused() -> None:
    losses = np.zeros((2, 2))
    with pytest.raises(InputError, match="losses of block 1, choice 0 is nan"):
        ReplacementProblem(np.array([[0.0, 1.0], [np.nan, 1.0]]), ())
    with pytest.raises(InputError, match=r"of shape \(2, 2\) and a limit's of \(2, 3\)"):
        ReplacementProblem(losses, (Limit("weights", np.zeros((2, 3)), 1.0),))
    with pytest.raises(InputError, match=r"\(blocks, choices\), not of shape \(2,\)"):
        ReplacementProblem(losses[0], ())
