"""What a space can rule out: the user's own rules, limits on costs, a target number of weights."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError, unknown_name
from nasviz.space import expression
from nasviz.space.ff_ratio import FF_RATIO
from nasviz.space.fields import FIELDS
from nasviz.space.table import CandidateTable

Mask = NDArray[np.bool_]
Cost = Callable[[CandidateTable], Mapping[str, NDArray[Any]]]

PARAMETERS = "parameters_total"


@dataclass(frozen=True)
class Constraint:
    """A rule over columns: candidates where `function` is false are excluded.

    `function` takes the columns named in `columns`, by name, as arrays that broadcast against each
    other (choices as names), and returns a mask. `name` says, in counts and errors, what excludes.
    `expression` is its text where it has one: only such a rule can be stored.
    """

    name: str
    columns: tuple[str, ...]
    function: Callable[..., Any] = field(compare=False)
    expression: str | None = None

    @classmethod
    def of(cls, rule: str | Callable[..., Any], name: str | None = None) -> Constraint:
        """Return the constraint of a function, whose parameters name columns, or of a text.

        >>> Constraint.of("d_model >= 32 * n_layers").columns
        ('d_model', 'n_layers')
        """
        if isinstance(rule, str):
            tree = expression.parse(rule)
            columns = expression.names(tree)
            made = cls(name or rule, columns, partial(_evaluated, tree), rule)
        elif callable(rule):
            columns = tuple(inspect.signature(rule).parameters)
            made = cls(name or _name_of(rule, columns), columns, rule)
        else:
            raise InputError(f"a constraint is a function of columns or a text, not {rule!r}")
        known = (*FIELDS, FF_RATIO.name)
        for column in columns:
            if column not in known:
                raise unknown_name(f"column of constraint {made.name!r}:", column, known)
        if not columns:
            raise InputError(f"constraint {made.name!r} names no column, such as n_layers")
        return made

    def mask(self, columns: Mapping[str, NDArray[Any]]) -> Mask:
        """Return where the rule holds, shape `(n,)` or `(1,)`; `columns` as tables store them."""
        given = {name: _readable(name, columns[name]) for name in self.columns}
        try:
            result = np.atleast_1d(np.asarray(self.function(**given)))
            allowed = np.broadcast_shapes(*[column.shape for column in given.values()])
            fits = np.broadcast_shapes(result.shape, allowed) == allowed
        except (TypeError, ValueError) as error:
            raise InputError(
                f"constraint {self.name!r} failed on whole columns: {error}; "
                "write it for arrays (& instead of and, numpy.where instead of if)"
            ) from error
        if result.dtype != bool or not fits:
            raise InputError(
                f"constraint {self.name!r} returned {result.dtype} of shape {result.shape}; "
                "return one true or false a row"
            )
        return result


def _name_of(rule: Callable[..., Any], columns: tuple[str, ...]) -> str:
    name = str(getattr(rule, "__name__", "<lambda>"))
    return f"a rule on {', '.join(columns)}" if name == "<lambda>" else name


def _evaluated(tree: Any, **columns: NDArray[Any]) -> Any:
    return expression.evaluate(tree, columns)


def _readable(name: str, column: NDArray[Any]) -> NDArray[Any]:
    if name in FIELDS and FIELDS[name].kind == "choice":
        names: NDArray[Any] = np.array(FIELDS[name].choices)[column]
        return names
    return column


@dataclass(frozen=True)
class CostLimit:
    """At most `maximum` of the cost column `column`, in that column's unit."""

    column: str
    maximum: float

    def __post_init__(self) -> None:
        wrong = isinstance(self.maximum, bool) or not isinstance(self.maximum, int | float)
        if wrong or math.isnan(self.maximum):
            raise InputError(f"limit on {self.column}: {self.maximum!r} is not a number")

    @property
    def text(self) -> str:
        """What holds, for a person: `parameters_total at most 2,000,000`."""
        return f"{self.column} at most {_plain(self.maximum)}"

    @property
    def name(self) -> str:
        """What excludes, in counts and errors."""
        return f"{self.column} is above {_plain(self.maximum)}"

    def mask(self, costs: Mapping[str, NDArray[Any]]) -> Mask:
        """Return where the cost is at most the maximum, shape `(n,)` or `(1,)`."""
        return np.atleast_1d(cost_column(costs, self.column) <= self.maximum)


@dataclass(frozen=True)
class ParameterTarget:
    """So many weights: the sizes in `solve_for` are set to the feasible values nearest to it.

    Candidates that stay further away than `tolerance` (a share of the target) are excluded.
    """

    parameters: float
    solve_for: tuple[str, ...] = ("d_model",)
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        for name, value in (("parameters", self.parameters), ("tolerance", self.tolerance)):
            wrong = isinstance(value, bool) or not isinstance(value, int | float)
            if wrong or not 0 < value < math.inf:
                raise InputError(f"target: {name}={value!r} is not a number above 0")
        if not self.solve_for:
            raise InputError("target: name at least one dimension to solve for, such as d_model")

    @property
    def name(self) -> str:
        """What excludes, in counts and errors."""
        sizes = " and ".join(self.solve_for)
        return f"no {sizes} gives {self.parameters:,.0f} weights within {self.tolerance:.0%}"


def needed(names: Sequence[str], cost: Cost | None) -> Cost:
    """Return `cost`; raises `InputError`, naming the columns it must give, where there is none."""
    if cost is None:
        raise InputError(
            f"this space limits {', '.join(names)}: pass cost=, a function from a table to these "
            "columns, such as nasviz.cost.columns.cost_columns(workload, hardware, names)"
        )
    return cost


def _plain(number: float) -> str:
    whole = float(number).is_integer() and abs(number) < 1e15
    return f"{int(number):,}" if whole else f"{number:g}"


def cost_column(costs: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """Return a cost column; raises `InputError` with the nearest name where there is none."""
    try:
        return np.asarray(costs[name])
    except KeyError:
        raise unknown_name("cost", name, costs) from None
