"""A space as a product of independent factors, each with its feasible points enumerated.

Most constraints tie two or three dimensions together (heads and width); the rest of the space is a
plain product. Dimensions that share a constraint form a *factor*, as long as it
is small enough for its feasible points to be listed once: drawing from the product of the lists is
then exactly uniform, and counting is a multiplication. What can't be listed (constraints on
continuous dimensions, or between factors too large to join, limits on costs) is left to rejection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasviz.space.constraints import Constraint
from nasviz.space.dimensions import Dimension, Real
from nasviz.space.points import Points, constraint_columns, sources

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

MAX_LISTED = 2_000_000
CHUNK = 262_144


@dataclass(frozen=True)
class Factor:
    """Dimensions that share constraints, with their feasible points.

    `total` counts the grid's points and `feasible` those that no constraint excludes. `listed`
    holds the feasible points, or None for a single continuous range and for a grid too large to
    list (nothing is excluded from it here). `excluded` counts points by the first constraint that
    fails, `failing` by every one.
    """

    dimensions: tuple[Dimension, ...]
    total: int
    feasible: int
    listed: Points | None
    excluded: dict[str, int]
    failing: dict[str, int]

    def draw(self, generator: np.random.Generator, n: int) -> Points:
        """Return `n` points, uniformly and independently."""
        if self.listed is not None:
            chosen = generator.integers(self.feasible, size=n)
            return {name: column[chosen] for name, column in self.listed.items()}
        return {each.name: _draw_one(each, generator, n) for each in self.dimensions}

    def at(self, indices: NDArray[np.int64]) -> Points:
        """Return the feasible points number `indices`, counted through the list or the grid."""
        if self.listed is not None:
            return {name: column[indices] for name, column in self.listed.items()}
        return _grid_points(self.dimensions, indices)


@dataclass(frozen=True)
class Plan:
    """A space's factors, and the constraints that are left to rejection.

    `impossible` names those that read no dimension and fail: the base itself is wrong.
    """

    factors: tuple[Factor, ...]
    leftover: tuple[Constraint, ...]
    impossible: tuple[str, ...] = ()

    @property
    def inside(self) -> int:
        """How many points the product of the factors has."""
        return math.prod(factor.feasible for factor in self.factors)

    def draw(self, generator: np.random.Generator, n: int) -> Points:
        """Return `n` points of the product, uniformly and independently."""
        points: Points = {}
        for factor in self.factors:
            points |= factor.draw(generator, n)
        return points

    def chunks(self, chunk: int = CHUNK) -> Iterator[tuple[Points, int]]:
        """Yield every point of the product once, with the number of points in the chunk."""
        for start in range(0, self.inside, chunk):
            numbers = np.arange(start, min(start + chunk, self.inside))
            points: Points = {}
            for factor in reversed(self.factors):
                points |= factor.at(numbers % factor.feasible)
                numbers = numbers // factor.feasible
            yield points, min(chunk, self.inside - start)


def plan_of(space: SearchSpace, without: Sequence[str] = ()) -> Plan:
    """Return the plan of a space, leaving out the dimensions named in `without`.

    Constraints that read a dimension that is left out are left out too.
    """
    dimensions = [each for each in space.dimensions if each.name not in without]
    rules = [(rule, reads(space, rule)) for rule in space.rules]
    rules = [(rule, names) for rule, names in rules if not names & set(without)]
    factors: list[Factor] = []
    leftover = [rule for rule, read in rules if read]
    for group in _groups(dimensions, [names for _, names in rules]):
        total = math.prod(_size(each) for each in group)
        if not _is_listable(group):
            factors.append(Factor(tuple(group), total, total, None, {}, {}))
            continue
        names = {each.name for each in group}
        own = [rule for rule, read in rules if read and read <= names]
        leftover = [rule for rule in leftover if not any(rule is each for each in own)]
        factors.append(_listed(space, tuple(group), own, total))
    impossible = tuple(rule.name for rule, read in rules if not read and not _holds(space, rule))
    return Plan(tuple(factors), tuple(leftover), impossible)


def reads(space: SearchSpace, rule: Constraint) -> frozenset[str]:
    """Return the names of the dimensions that a constraint depends on."""
    return frozenset().union(*[sources(space, column) for column in rule.columns])


def _holds(space: SearchSpace, rule: Constraint) -> bool:
    return bool(rule.mask(constraint_columns(space, {}, 1)).all())


def _size(dimension: Dimension) -> int:
    return 1 if dimension.grid is None else len(dimension.grid)


def _is_listable(group: Sequence[Dimension]) -> bool:
    total = math.prod(_size(each) for each in group)
    return all(each.grid is not None for each in group) and total <= MAX_LISTED


def _groups(
    dimensions: Sequence[Dimension], ties: Sequence[frozenset[str]]
) -> list[list[Dimension]]:
    """Return the dimensions in groups: those of each tie together, as far as they can be listed."""
    groups = [{each.name} for each in dimensions]
    for tie in ties:
        tied = [group for group in groups if group & tie]
        joined = set().union(*tied)
        if len(tied) > 1 and _is_listable([each for each in dimensions if each.name in joined]):
            groups = [group for group in groups if group not in tied] + [joined]
    ordered = [[each for each in dimensions if each.name in group] for group in groups]
    return sorted(ordered, key=lambda group: dimensions.index(group[0]))


def _listed(
    space: SearchSpace, group: tuple[Dimension, ...], rules: Sequence[Constraint], total: int
) -> Factor:
    excluded = dict.fromkeys([rule.name for rule in rules], 0)
    failing = dict(excluded)
    kept: list[Points] = []
    for start in range(0, total, CHUNK):
        n = min(CHUNK, total - start)
        points = _grid_points(group, np.arange(start, start + n))
        alive = np.ones(n, dtype=bool)
        columns = constraint_columns(space, points, n) if rules else {}
        for rule in rules:
            mask = np.broadcast_to(rule.mask(columns), (n,))
            failing[rule.name] += int(n - mask.sum())
            excluded[rule.name] += int((alive & ~mask).sum())
            alive &= mask
        kept.append({name: column[alive] for name, column in points.items()})
    listed = {each.name: np.concatenate([part[each.name] for part in kept]) for each in group}
    feasible = len(listed[group[0].name])
    return Factor(group, total, feasible, listed, excluded, failing)


def _grid_points(group: Sequence[Dimension], numbers: NDArray[np.int64]) -> Points:
    points: Points = {}
    for dimension in reversed(group):
        grid = dimension.grid
        assert grid is not None
        points[dimension.name] = grid[numbers % len(grid)]
        numbers = numbers // len(grid)
    return points


def _draw_one(dimension: Dimension, generator: np.random.Generator, n: int) -> NDArray[Any]:
    grid = dimension.grid
    if isinstance(dimension, Real) and grid is None:
        return dimension.unscaled(generator.random(n))
    assert grid is not None  # only real ranges have none
    drawn: NDArray[Any] = grid[generator.integers(len(grid), size=n)]
    return drawn
