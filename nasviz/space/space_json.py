"""A search space as plain data, for JSON and TOML files.

{"name": "mine",
 "dimensions": {"n_layers": {"low": 1, "high": 8}, "n_heads": [1, 2, 4]},
 "base": {"d_model": 128, "vocab_size": 256, "context_length": 64},
 "constraints": ["d_model >= 16 * n_layers", {"name": "…", "rule": "…"}],
 "limits": {"parameters_total": 5e6},
 "target": {"parameters": 3e6, "solve_for": ["d_model"], "tolerance": 0.1}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasviz.errors import InputError, check_names
from nasviz.space.constraints import Constraint, CostLimit, ParameterTarget
from nasviz.space.dimensions import dimension_from_json

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

KEYS = ("name", "dimensions", "base", "constraints", "limits", "target")
TARGET_KEYS = ("parameters", "solve_for", "tolerance")


def to_json(space: SearchSpace) -> dict[str, Any]:
    """Return the space as plain data, without empty parts.

    Raises `InputError` for a constraint that is a function: only texts can be stored.
    """
    data: dict[str, Any] = {"name": space.name}
    data["dimensions"] = {each.name: each.to_json() for each in space.dimensions}
    if space.base:
        data["base"] = dict(space.base)
    if space.constraints:
        data["constraints"] = [_constraint_json(each) for each in space.constraints]
    if space.limits:
        data["limits"] = {limit.column: limit.maximum for limit in space.limits}
    if space.target is not None:
        data["target"] = {
            "parameters": space.target.parameters,
            "solve_for": list(space.target.solve_for),
            "tolerance": space.target.tolerance,
        }
    return data


def parts_from_json(data: object) -> dict[str, Any]:
    """Return the arguments of a `SearchSpace` that `data` describes.

    Raises `InputError` for unknown keys, with the nearest known, and for wrong values.
    """
    whole = _mapping("a space", data, KEYS)
    if "dimensions" not in whole:
        raise InputError('a space needs "dimensions": {"n_layers": {"low": 1, "high": 8}, …}')
    name = whole.get("name", "space")
    if not isinstance(name, str):
        raise InputError(f"the space's name={name!r} is not a text")
    return {
        "name": name,
        "dimensions": tuple(
            dimension_from_json(key, value)
            for key, value in _mapping("dimensions", whole["dimensions"]).items()
        ),
        "base": _mapping("base", whole.get("base", {})),
        "constraints": tuple(
            _constraint(each) for each in _list("constraints", whole.get("constraints", []))
        ),
        "limits": tuple(
            CostLimit(key, value)
            for key, value in _mapping("limits", whole.get("limits", {})).items()
        ),
        "target": _target(whole.get("target")),
    }


def _constraint_json(constraint: Constraint) -> str | dict[str, str]:
    if constraint.expression is None:
        raise InputError(
            f"constraint {constraint.name!r} is a Python function, which can't be stored; "
            'write it as a text, such as "d_model >= 32 * n_layers"'
        )
    if constraint.name == constraint.expression:
        return constraint.expression
    return {"name": constraint.name, "rule": constraint.expression}


def _constraint(data: object) -> Constraint:
    if isinstance(data, str):
        return Constraint.of(data)
    given = _mapping("a constraint", data, ("name", "rule"))
    if not isinstance(given.get("rule"), str):
        raise InputError(f'a constraint needs a "rule" such as "n_layers <= 8", not {given!r}')
    name = given.get("name")
    if name is not None and not isinstance(name, str):
        raise InputError(f"a constraint's name={name!r} is not a text")
    return Constraint.of(given["rule"], name)


def _target(data: object) -> ParameterTarget | None:
    if data is None:
        return None
    given = dict(_mapping("target", data, TARGET_KEYS))
    if "parameters" not in given:
        raise InputError("target lacks 'parameters', the number of weights")
    sizes = given.pop("solve_for", ["d_model"])
    sizes = [sizes] if isinstance(sizes, str) else _list("target: solve_for", sizes)
    return ParameterTarget(solve_for=tuple(str(size) for size in sizes), **given)


def _mapping(place: str, data: object, known: tuple[str, ...] | None = None) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise InputError(f"{place} is an object of names and values, not {data!r}")
    if known is not None:
        check_names(f"key of {place}:", data, known)
    return data


def _list(place: str, data: object) -> list[Any]:
    if not isinstance(data, list | tuple):
        raise InputError(f"{place} is a list, not {data!r}")
    return list(data)
