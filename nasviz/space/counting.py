"""How many candidates a space holds, and what excludes the others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nasviz.space.constraints import Cost
from nasviz.space.factors import Plan
from nasviz.space.sampling import Tally, can_enumerate, has_leftovers, settled, settled_chunks

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

MAX_COUNTED = 100_000


@dataclass(frozen=True)
class SpaceCount:
    """How many grid points a space has, and how many of them are feasible.

    `excluded` counts points by the first reason that excludes them: its values and `feasible` add
    up to `total`. Continuous dimensions, and those that a target solves for, count as one. Where
    `exact` is false, `feasible` is an estimate with that `standard_error` (one standard deviation,
    in points).
    """

    total: int
    feasible: int
    exact: bool
    excluded: Mapping[str, int]
    standard_error: float = 0.0

    def __str__(self) -> str:
        error = "" if self.exact else f" ± {self.standard_error:,.0f}"
        return f"{self.feasible:,}{error} of {self.total:,} candidates"


def count(space: SearchSpace, cost: Cost | None, draws: int, seed: int) -> SpaceCount:
    """Return the space's count: exact where the factors decide or are few, else by `draws`."""
    plan = space.plan
    total, excluded = _product(plan)
    inside = plan.inside
    if plan.impossible:
        return SpaceCount(total, 0, True, {plan.impossible[0]: total})
    if not has_leftovers(space, plan) or inside == 0:
        return SpaceCount(total, inside, True, excluded)
    tally = Tally()
    exact = can_enumerate(space, plan, MAX_COUNTED)
    if exact:
        for _ in settled_chunks(space, plan, cost, tally):
            pass
    else:
        settled(space, plan.draw(np.random.default_rng(seed), draws), draws, cost, tally)
    excluded |= {
        name: round(inside * (part / tally.drawn)) if not exact else part
        for name, part in tally.excluded.items()
        if part
    }
    share = tally.kept / tally.drawn
    error = inside * math.sqrt(share * (1 - share) / tally.drawn)
    feasible = total - sum(excluded.values())
    return SpaceCount(total, feasible, exact, excluded, 0.0 if exact else error)


def _total(plan: Plan) -> int:
    """Return how many grid points the plan's dimensions have, feasible or not."""
    return math.prod(factor.total for factor in plan.factors)


def _product(plan: Plan) -> tuple[int, dict[str, int]]:
    """Return the total, and the exclusions by the first factor that fails, over whole points."""
    excluded: dict[str, int] = {}
    feasible_before = 1
    rest = _total(plan)
    for factor in plan.factors:
        rest //= factor.total
        for name, part in factor.excluded.items():
            excluded[name] = excluded.get(name, 0) + feasible_before * part * rest
        feasible_before *= factor.feasible
    return _total(plan), {name: part for name, part in excluded.items() if part}
