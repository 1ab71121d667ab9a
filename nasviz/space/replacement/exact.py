"""The best selection there is, by mixed-integer linear programming (HiGHS, through SciPy)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nasviz.errors import InputError, RunError
from nasviz.space.replacement.problem import Chosen, Floats, Limit, ReplacementProblem

# HiGHS stops within 1e-6 of the optimum, and takes a sum as far beyond a bound for feasible: all is
# scaled so that this is next to nothing, and bounds are tightened by it where that is needed.
_SCALE = 1e3
_SLACK = 1e-9
_MOST_GAP = 1e-6


def solve(problem: ReplacementProblem, *, seconds: float = 60.0) -> Chosen:
    """Return the selection (L,) with the least loss of all that keep the limits.

    Raises `InputError` where none does, naming the limit and the least that can be reached, and
    `RunError` where optimality isn't proven within so many seconds.
    """
    found = _minimised(problem, problem.losses, seconds)
    if found is None:
        raise _unreachable(problem, seconds)
    return found


def check_reachable(problem: ReplacementProblem, *, seconds: float = 60.0) -> None:
    """Raise `InputError` where no selection keeps the limits; losses don't matter."""
    if _minimised(problem, np.zeros_like(problem.losses), seconds) is None:
        raise _unreachable(problem, seconds)


def _minimised(problem: ReplacementProblem, weights: Floats, seconds: float) -> Chosen | None:
    """Return the selection with the least sum of `weights` (L, C); None where none fits."""
    for slack in (0.0, _SLACK):
        result = _solved(problem, weights, slack, seconds)
        if result.status == 2:
            return None
        if result.status != 0 or (result.mip_gap or 0.0) > _MOST_GAP:
            raise RunError(
                f"the best selection wasn't proven within {seconds:g} s ({result.message}); allow "
                "more time or fewer choices"
            )
        chosen: Chosen = result.x.reshape(weights.shape).argmax(axis=1)  # (L,)
        if problem.fits(chosen):
            return chosen
    raise RunError("the solver's selection keeps the limits only within its own tolerance")


def _solved(problem: ReplacementProblem, weights: Floats, slack: float, seconds: float) -> Any:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, kron

    n_blocks, n_choices = weights.shape
    above = weights - weights.min(axis=1, keepdims=True)
    highest = above.max()
    one_each = kron(csr_array(np.eye(n_blocks)), np.ones((1, n_choices)))
    constraints = [LinearConstraint(one_each, 1, 1)]
    if len(problem.rows):
        rows = problem.rows.reshape(len(problem.rows), -1)
        constraints.append(LinearConstraint(rows * _SCALE, ub=(problem.most - slack) * _SCALE))
    return milp(
        above.ravel() * (_SCALE / highest if highest else 1.0),
        integrality=np.ones(weights.size),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"mip_rel_gap": 0, "time_limit": seconds},
    )


def _unreachable(problem: ReplacementProblem, seconds: float) -> InputError:
    """Return what to say of limits that no selection keeps."""
    for limit in problem.limits:
        least = _least(problem, limit, (), seconds)
        if least > limit.most:
            return InputError(
                f"{limit.name} of at most {limit.most:g} can't be reached: the smallest that is "
                f"left of this parent has {limit.said(least)}"
            )
    for place, limit in enumerate(problem.limits):
        earlier = problem.limits[:place]
        least = _least(problem, limit, earlier, seconds)
        if least > limit.most:
            others = " and ".join(f"{each.name} of at most {each.most:g}" for each in earlier)
            return InputError(
                f"{limit.name} of at most {limit.most:g} can't be reached together with {others}: "
                f"within that the least is {limit.said(least)}"
            )
    raise AssertionError("every limit can be reached together with the others")


def _least(
    problem: ReplacementProblem, limit: Limit, within: Sequence[Limit], seconds: float
) -> float:
    """Return the least of a limit that a selection within others can use."""
    chosen = _minimised(replace(problem, limits=tuple(within)), limit.used, seconds)
    if chosen is None:
        raise InputError(f"no selection has what is needed beside {limit.name}")
    return replace(problem, limits=(limit,)).used(chosen)[limit.name]
