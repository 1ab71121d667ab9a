"""Uniform samples under constraints, and every feasible point.

Draws come from the product of a space's factors (see `nasviz.space.factors`), where most
constraints already hold; what is left (limits on costs, a target number of weights, constraints on
continuous dimensions) is decided by rejection. Both keep the sample uniform over the feasible
points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.constraints import Cost, Mask, needed
from nasviz.space.factors import CHUNK, Plan
from nasviz.space.points import Points, constraint_columns, table_of
from nasviz.space.target import solve

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

# Rejection gives up after so many draws without, or with, a feasible one. Where visiting every
# point is less work than the draws still to be expected, it turns to enumeration before.
PATIENCE = 2_000_000
MAX_DRAWS = 40_000_000
MAX_ENUMERATED = 20_000_000


@dataclass
class Tally:
    """Draws made and kept, and what excluded the rest (`excluded`: by the first that fails)."""

    drawn: int = 0
    kept: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """The share kept so far, never 0: one more draw, kept, is counted."""
        return (self.kept + 1) / (self.drawn + 1) if self.drawn else 0.5


def sample_points(space: SearchSpace, n: int, seed: int, cost: Cost | None) -> tuple[Points, int]:
    """Return `n` points drawn uniformly, independently (so with repeats) from the feasible ones.

    Raises `InputError`, naming the tightest constraint, where nothing is feasible or so little
    that neither rejection nor enumeration finds `n`.
    """
    for name, value in (("n", n), ("seed", seed)):
        if not isinstance(value, int | np.integer) or value < 0:
            raise InputError(f"{name}={value!r} is not a whole number from 0 up")
    plan, generator = space.plan, np.random.default_rng(seed)
    refuse_empty(space, plan)
    if not has_leftovers(space, plan) or n == 0:
        return plan.draw(generator, n), n
    tally, parts, wanted = Tally(), [], n
    while wanted > 0:
        batch = _batch(tally, wanted)
        points, kept = settled(space, plan.draw(generator, batch), batch, cost, tally)
        parts.append(kept_points(points, np.flatnonzero(kept)[:wanted]))
        wanted = n - tally.kept
        if wanted > 0 and can_enumerate(space, plan) and plan.inside < wanted / tally.share:
            everything = enumerated_points(space, cost)
            chosen = generator.integers(len(next(iter(everything.values()))), size=n)
            return kept_points(everything, chosen), n
        if wanted > 0 and tally.drawn >= (MAX_DRAWS if tally.kept else PATIENCE):
            raise _too_tight(space, tally, n)
    return joined(parts), n


def _batch(tally: Tally, wanted: int) -> int:
    """Return how many to draw so that about `wanted` are kept, by the share kept so far."""
    return int(min(max(1.1 * wanted / tally.share, 4096), CHUNK))


def settled(
    space: SearchSpace, points: Points, n: int, cost: Cost | None, tally: Tally
) -> tuple[Points, Mask]:
    """Return the points, sizes solved for the target, and which of them are feasible, `(n,)`.

    `points` need only obey the factors of the plan. Counts what it excludes into `tally`.
    """
    alive = np.ones(n, dtype=bool)
    if space.target is not None:
        points, solved = solve(space, space.target, points, n, cost)
        _exclude(space.target.name, solved, alive, tally)
    if space.plan.leftover:
        columns = constraint_columns(space, points, n)
        for rule in space.plan.leftover:
            _exclude(rule.name, np.broadcast_to(rule.mask(columns), (n,)), alive, tally)
    if space.limits:
        costs = needed(space.cost_names, cost)(table_of(space, points, n))
        for limit in space.limits:
            _exclude(limit.name, np.broadcast_to(limit.mask(costs), (n,)), alive, tally)
    tally.drawn += n
    tally.kept += int(alive.sum())
    return points, alive


def _exclude(name: str, mask: Mask, alive: Mask, tally: Tally) -> None:
    tally.failing[name] += int(len(mask) - mask.sum())
    tally.excluded[name] += int((alive & ~mask).sum())
    alive &= mask


def has_leftovers(space: SearchSpace, plan: Plan) -> bool:
    """Whether a draw from the plan's factors may still be infeasible."""
    return bool(plan.leftover or space.limits or space.target)


def can_enumerate(space: SearchSpace, plan: Plan, limit: int = MAX_ENUMERATED) -> bool:
    """Whether every point of the plan can be visited: none continuous, and at most `limit`."""
    continuous = any(each.grid is None for factor in plan.factors for each in factor.dimensions)
    return not continuous and plan.inside <= limit


def enumerated_points(space: SearchSpace, cost: Cost | None) -> Points:
    """Return every feasible point once; raises `InputError` where there is none."""
    plan, tally = space.plan, Tally()
    parts = list(settled_chunks(space, plan, cost, tally))
    if not tally.kept:
        raise _too_tight(space, tally, 1)
    return joined(parts)


def settled_chunks(
    space: SearchSpace, plan: Plan, cost: Cost | None, tally: Tally
) -> Iterator[Points]:
    """Yield the feasible points of each chunk of the plan's product."""
    for inside, n in plan.chunks():
        points, kept = settled(space, inside, n, cost, tally)
        yield kept_points(points, np.flatnonzero(kept))


def kept_points(points: Points, indices: NDArray[np.int64]) -> Points:
    """Return the points at `indices`."""
    return {name: column[indices] for name, column in points.items()}


def joined(parts: list[Points]) -> Points:
    """Return the points of all parts, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def refuse_empty(space: SearchSpace, plan: Plan) -> None:
    """Raise `InputError`, naming the tightest constraint, where a factor has no point."""
    for name in plan.impossible:
        raise InputError(
            f"nothing in the space {space.name!r} is feasible: {name}, "
            "and the sizes that decide it are fixed in the base; change them there"
        )
    for factor in plan.factors:
        if factor.feasible == 0:
            tightest = max(factor.failing, key=lambda name: factor.failing[name])
            raise InputError(
                f"nothing in the space {space.name!r} is feasible: {tightest} excludes "
                f"{_share(factor.failing[tightest], factor.total)} of the values of "
                f"{', '.join(each.name for each in factor.dimensions)}; widen them"
            )


def _too_tight(space: SearchSpace, tally: Tally, n: int) -> InputError:
    tightest, failed = tally.failing.most_common(1)[0]
    found = f"only {tally.kept:,} of {n:,} candidates" if tally.kept else "no feasible candidate"
    return InputError(
        f"{found} found in {tally.drawn:,} of the space {space.name!r}: {tightest} excludes "
        f"{_share(failed, tally.drawn)}; relax it or widen the sizes"
    )


def _share(part: int, whole: int) -> str:
    return "all" if part == whole else f"{part / whole:.1%}"
