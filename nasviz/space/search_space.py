"""`SearchSpace`: which candidates are looked among."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError, unknown_name
from nasviz.space import (
    counting,
    encoding,
    html,
    named_spaces,
    sampling,
    space_json,
    toml,
    variation,
)
from nasviz.space.architecture import REQUIRED
from nasviz.space.conditional import check_switches
from nasviz.space.constraints import (
    PARAMETERS,
    Constraint,
    Cost,
    CostLimit,
    Mask,
    ParameterTarget,
)
from nasviz.space.counting import SpaceCount
from nasviz.space.dimensions import Dimension, chosen
from nasviz.space.factors import Plan, plan_of
from nasviz.space.ff_ratio import FF_RATIO, space_field
from nasviz.space.field import Value
from nasviz.space.points import Points, table_of
from nasviz.space.rules import rules_of
from nasviz.space.table import CandidateTable, encode_column


@dataclass(frozen=True)
class SearchSpace:
    """Named dimensions over sizes and training settings, a base of fixed fields, and constraints.

    Fields that are neither a dimension nor in `base` have the catalogue's default, or follow from
    the others as in an `Architecture`. That sizes fit each other is built in. Options of inference
    are dimensions too: `Choice("early_exit", (False, True))` with `Real("early_exit.threshold",
    0.5, 1.0, step=0.05)`, which says something only where the option is on.

    Raises `InputError` for unknown or repeated names, and for required sizes that are missing.

    >>> from nasviz.space.dimensions import Choice, Integer
    >>> space = SearchSpace(
    ...     (Integer("n_layers", 1, 4), Choice("n_heads", (1, 2, 3))),
    ...     base={"d_model": 64, "vocab_size": 256, "context_length": 64},
    ... )
    >>> space.count().feasible, space.count().excluded
    (8, {'n_heads does not divide d_model': 4})
    """

    dimensions: tuple[Dimension, ...]
    base: Mapping[str, Value] = field(default_factory=dict, hash=False)
    constraints: tuple[Constraint, ...] = ()
    limits: tuple[CostLimit, ...] = ()
    target: ParameterTarget | None = None
    name: str = "space"

    def __post_init__(self) -> None:
        dimensions = tuple(self.dimensions)
        if not dimensions:
            raise InputError("a space needs at least one dimension")
        names = [each.name for each in dimensions]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"the space has two dimensions {name!r}; leave one")
            if name in self.base:
                raise InputError(f"{name} is both a dimension and in the base; leave one")
        base = {name: space_field(name).check(value) for name, value in self.base.items()}
        object.__setattr__(self, "dimensions", dimensions)
        object.__setattr__(self, "base", MappingProxyType(base))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        object.__setattr__(self, "limits", tuple(self.limits))
        missing = [name for name in REQUIRED if name not in self.given]
        if missing:
            raise InputError(f"the space lacks {', '.join(missing)}: a dimension or a base value")
        if self.has_ff_ratio and "d_ff" in self.given:
            raise InputError("the space sets both d_ff and ff_ratio; leave one")
        check_switches(self)
        for name in self.target.solve_for if self.target else ():
            self.dimension(name)

    def __reduce__(self) -> tuple[type[SearchSpace], tuple[Any, ...]]:
        # The read-only view of the base can't be copied or sent to another process; a dict can.
        parts = (self.constraints, self.limits, self.target, self.name)
        return type(self), (self.dimensions, dict(self.base), *parts)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the dimensions, in order."""
        return tuple(each.name for each in self.dimensions)

    @property
    def given(self) -> frozenset[str]:
        """The names of all fields that the space sets: dimensions and base."""
        return frozenset(self.names) | frozenset(self.base)

    @property
    def has_ff_ratio(self) -> bool:
        """Whether the feed-forward size is said as a ratio."""
        return FF_RATIO.name in self.given

    def dimension(self, name: str) -> Dimension:
        """Return the dimension of that name; raises `InputError` with the nearest one."""
        for each in self.dimensions:
            if each.name == name:
                return each
        if name in self.base:
            raise InputError(f"{name} is fixed at {self.base[name]!r} in this space")
        raise unknown_name("dimension", name, self.names)

    # Changing a space: each returns a new one.

    def narrowed(
        self,
        name: str,
        low: float | None = None,
        high: float | None = None,
        *,
        choices: Sequence[Value] | None = None,
    ) -> SearchSpace:
        """Return the space with one dimension narrowed to a range, or to some of its choices.

        Raises `InputError` where nothing of the dimension is left.
        """
        old = self.dimension(name)
        if choices is None:
            return self.with_dimension(old.narrowed(low, high))
        if low is not None or high is not None:
            raise InputError(f"narrow {name} by low and high or by choices, not by both")
        return self.with_dimension(chosen(old, choices))

    def fixed(self, name: str, value: Value) -> SearchSpace:
        """Return the space with that field in the base; a dimension of that name goes."""
        rest = tuple(each for each in self.dimensions if each.name != name)
        return replace(self, dimensions=rest, base={**self.base, name: value})

    def with_dimension(self, dimension: Dimension) -> SearchSpace:
        """Return the space with this dimension, in the place of its namesake or at the end."""
        kept = [dimension if each.name == dimension.name else each for each in self.dimensions]
        if dimension.name not in self.names:
            kept.append(dimension)
        base = {name: value for name, value in self.base.items() if name != dimension.name}
        return replace(self, dimensions=tuple(kept), base=base)

    def constrained(
        self, rule: str | Callable[..., Any], *, name: str | None = None
    ) -> SearchSpace:
        """Return the space without candidates for which `rule` is false.

        `rule` is a function whose parameters name columns (`lambda d_model, n_layers: …`), called
        with whole arrays, or a text such as `"d_model >= 32 * n_layers"`, which can be stored.
        """
        return replace(self, constraints=(*self.constraints, Constraint.of(rule, name)))

    def limited(self, column: str, maximum: float) -> SearchSpace:
        """Return the space with a limit on a cost; an earlier one on the same cost goes."""
        kept = tuple(limit for limit in self.limits if limit.column != column)
        return replace(self, limits=(*kept, CostLimit(column, maximum)))

    def with_parameters(
        self,
        parameters: float,
        solve_for: str | Sequence[str] = "d_model",
        tolerance: float = 0.1,
    ) -> SearchSpace:
        """Return the space of candidates with so many weights: `solve_for` is set to meet them.

        Each candidate gets the feasible values of the solved dimensions whose number of weights
        is nearest to `parameters`; where that is further away than the share `tolerance`, it is
        excluded.
        """
        sizes = (solve_for,) if isinstance(solve_for, str) else tuple(solve_for)
        return replace(self, target=ParameterTarget(parameters, sizes, tolerance))

    # Looking into a space. `cost` is needed where the space has limits or a target.

    def count(self, *, cost: Cost | None = None, draws: int = 50_000, seed: int = 0) -> SpaceCount:
        """Return how many candidates there are and what excludes the others.

        Exact where the constraints can be enumerated, else estimated from `draws` candidates.
        """
        return counting.count(self, cost, draws, seed)

    def sample(self, n: int, seed: int = 0, *, cost: Cost | None = None) -> CandidateTable:
        """Return `n` candidates drawn uniformly and independently from the feasible ones.

        Real ranges are drawn uniformly too, by their logarithm where they are `log`. Raises
        `InputError`, naming the tightest constraint, where nothing is feasible.
        """
        points, length = sampling.sample_points(self, n, seed, cost)
        return self.table(points, length)

    def enumerate(self, *, cost: Cost | None = None) -> CandidateTable:
        """Return every feasible candidate once.

        Raises `InputError` for a continuous dimension, and where there are too many.
        """
        for each in self.dimensions:
            if each.grid is None:
                raise InputError(f"{each.name} is continuous: give it a step to enumerate it")
        sampling.refuse_empty(self, self.plan)
        if not sampling.can_enumerate(self, self.plan):
            raise InputError(
                f"{self.plan.inside:,} candidates are too many to enumerate; at most "
                f"{sampling.MAX_ENUMERATED:,}: narrow the space, or sample it"
            )
        points = sampling.enumerated_points(self, cost)
        return self.table(points, len(next(iter(points.values()))))

    def contains(self, table: CandidateTable, *, cost: Cost | None = None) -> Mask:
        """Return which rows of `table` are feasible candidates of this space, shape `(n,)`."""
        return variation.contains(self, table, cost)

    def neighbours(self, table: CandidateTable, *, cost: Cost | None = None) -> CandidateTable:
        """Return the candidates one step away from the single row of `table`.

        A step moves one dimension to the nearest feasible value above or below, or to any other
        feasible choice of a kind.
        """
        return variation.neighbours(self, table, cost)

    def mutate(
        self,
        table: CandidateTable,
        seed: int = 0,
        *,
        rate: float | None = None,
        cost: Cost | None = None,
    ) -> CandidateTable:
        """Return one feasible child of each row, each dimension moved with chance `rate`.

        At least one dimension is moved; `rate` None moves one or two in the mean.
        """
        return variation.mutate(self, table, seed, rate, cost)

    def crossover(
        self,
        one: CandidateTable,
        other: CandidateTable,
        seed: int = 0,
        *,
        cost: Cost | None = None,
    ) -> CandidateTable:
        """Return one feasible child a row: each dimension from one parent or the other."""
        return variation.crossover(self, one, other, seed, cost)

    def encode(self, table: CandidateTable) -> NDArray[np.float64]:
        """Return the rows of `table` as vectors in [0, 1], shape `(n, dimensions)`."""
        return encoding.encode(self, table)

    def decode(self, vectors: Any) -> CandidateTable:
        """Return the candidates nearest to `vectors`, shape `(n, dimensions)`.

        They may be infeasible (see `contains`) unless the vectors come from `encode`.
        """
        return encoding.decode(self, vectors)

    def table(self, points: Points, n: int) -> CandidateTable:
        """Return the candidates at `n` points: a column a dimension, as tables store them."""
        return table_of(self, points, n)

    # Stored and named.

    def to_json(self) -> dict[str, Any]:
        """Return the space as plain data; raises `InputError` for a rule without a text."""
        return space_json.to_json(self)

    @classmethod
    def from_json(cls, data: object) -> SearchSpace:
        """Return the space that `data` describes; raises `InputError` where it is wrong."""
        return cls(**space_json.parts_from_json(data))

    def to_toml(self) -> str:
        """Return the space as the text of a TOML file, which `nasviz search` reads."""
        return toml.write(self.to_json())

    @classmethod
    def named(cls, name: str) -> SearchSpace:
        """Return a space of nasviz: `laptop`, `workstation`, `datacentre`, `dynamic`."""
        return cls.from_json(named_spaces.data_of(name))

    @classmethod
    def laptop(cls) -> SearchSpace:
        """Return a space whose candidates train on two cores in about a minute each."""
        return cls.named("laptop")

    @classmethod
    def workstation(cls) -> SearchSpace:
        """Return a space whose candidates train on one desktop GPU."""
        return cls.named("workstation")

    @classmethod
    def datacentre(cls) -> SearchSpace:
        """Return a space that holds the sizes of published models."""
        return cls.named("datacentre")

    @classmethod
    def dynamic(cls) -> SearchSpace:
        """Return a space of tiny models and how they run, to compare joint search in."""
        return cls.named("dynamic")

    def __repr__(self) -> str:
        return html.text_of(self)

    def _repr_html_(self) -> str:
        return html.html_of(self)

    @property
    def cost_names(self) -> tuple[str, ...]:
        """The cost columns that `cost=` must give for this space's limits and target."""
        names = [limit.column for limit in self.limits]
        names += [PARAMETERS] if self.target is not None else []
        return tuple(dict.fromkeys(names))

    # What the neighbouring modules need.

    @cached_property
    def base_columns(self) -> Points:
        """The base as columns of shape `(1,)`."""
        return {name: encode_column(space_field(name), value) for name, value in self.base.items()}

    @cached_property
    def rules(self) -> tuple[Constraint, ...]:
        """The built-in constraints and the user's."""
        return rules_of(self)

    @cached_property
    def plan(self) -> Plan:
        """The factors of this space: those that a target solves for are left out."""
        return plan_of(self, self.target.solve_for if self.target else ())
