"""The rules of a search space: the built-in ones, that sizes fit each other, and the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasviz.space.conditional import option_rules
from nasviz.space.constraints import Constraint, Mask
from nasviz.space.dimensions import Choice
from nasviz.space.ff_ratio import FF_RATIO
from nasviz.space.fields import FIELDS, field_named

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace


def rules_of(space: SearchSpace) -> tuple[Constraint, ...]:
    """Return the built-in rules that can fail in this space, and the user's.

    The built-in ones are those that `Architecture` checks, for whole columns.
    """
    rules = []
    if "head_dim" not in space.given:
        rules.append(_rule("n_heads does not divide d_model", _heads_divide))
    if "n_kv_heads" in space.given:
        rules.append(_rule("n_kv_heads does not divide n_heads", _kv_heads_divide))
    rules.append(_rule("the rotary size of a head is odd", _rotary_is_even))
    rules.append(_rule("more experts per token than experts", _enough_experts))
    for name, widest in _widest(space).items():
        high = FIELDS[name].high
        if name not in space.given and high is not None and widest > high:
            rules.append(_in_range(name))
    return (*rules, *option_rules(space), *space.constraints)


def _widest(space: SearchSpace) -> dict[str, float]:
    """Return an upper bound of each derived size."""
    d_model = _largest(space, "d_model")
    ratio = _largest(space, FF_RATIO.name) if space.has_ff_ratio else 4
    return {"head_dim": d_model, "d_ff": ratio * d_model}


def _largest(space: SearchSpace, name: str) -> float:
    for each in space.dimensions:
        if each.name == name:
            return float(max(each.grid) if isinstance(each, Choice) else each.high)
    return float(space.base[name])


def _in_range(name: str) -> Constraint:
    """Return the rule that a derived size stays within the catalogue's range."""
    size = field_named(name)

    def within(**columns: NDArray[Any]) -> Mask:
        column = columns[name]
        return np.asarray((column >= size.low) & (column <= size.high))

    return Constraint(f"{name} is out of range", (name,), within)


def _rule(name: str, function: Callable[..., Any]) -> Constraint:
    return Constraint(name, tuple(inspect.signature(function).parameters), function)


def _heads_divide(d_model: Any, n_heads: Any) -> Any:
    return d_model % n_heads == 0


def _kv_heads_divide(n_heads: Any, n_kv_heads: Any) -> Any:
    return n_heads % n_kv_heads == 0


def _rotary_is_even(position: Any, head_dim: Any, rotary_share: Any) -> Any:
    rotary_dim = (head_dim * rotary_share).astype(np.int64)
    return (position != "rope") | ((rotary_dim >= 2) & (rotary_dim % 2 == 0))


def _enough_experts(experts: Any, experts_per_token: Any) -> Any:
    return experts_per_token <= experts
