"""Constraints as text: `d_model >= 32 * n_layers`, evaluated on columns without `eval`."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nasviz.errors import InputError

_BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SYNTAX = (
    ast.Name,
    ast.Load,
    ast.UnaryOp,
    ast.USub,
    ast.Not,
    ast.BinOp,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.Compare,
    *_BINARY,
)
_ALLOWED = "numbers, quoted choices, field names, + - * / // %, comparisons, and, or, not"


def parse(text: str) -> ast.expr:
    """Return the syntax tree of an expression; raises `InputError` for anything beyond sums.

    Allowed are numbers, quoted choices, names, + - * / // %, comparisons, `and`, `or`, `not`.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"constraint {text!r} can't be read: {error}") from None
    _check(tree, text)
    return tree


def names(tree: ast.expr) -> tuple[str, ...]:
    """Return the names in the expression, each once, in order of appearance."""
    found = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return tuple(dict.fromkeys(found))


def evaluate(tree: ast.expr, columns: Mapping[str, Any]) -> Any:
    """Return the expression's value on `columns`: arrays that broadcast, or single numbers."""
    match tree:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return columns[name]
        case ast.UnaryOp(op, operand):
            value = evaluate(operand, columns)
            return np.logical_not(value) if isinstance(op, ast.Not) else np.negative(value)
        case ast.BinOp(left, op, right):
            return _BINARY[type(op)](evaluate(left, columns), evaluate(right, columns))
        case ast.BoolOp(op, values):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return join.reduce(np.broadcast_arrays(*[evaluate(value, columns) for value in values]))
        case ast.Compare(left, ops, comparators):
            sides = [evaluate(side, columns) for side in (left, *comparators)]
            pairs = zip(ops, sides[:-1], sides[1:], strict=True)
            results = [_BINARY[type(op)](one, other) for op, one, other in pairs]
            return np.logical_and.reduce(np.broadcast_arrays(*results))
    raise InputError(f"a constraint can't hold {type(tree).__name__}")


def _check(tree: ast.expr, text: str) -> None:
    for node in ast.walk(tree):
        constant = isinstance(node, ast.Constant) and type(node.value) in (int, float, bool, str)
        if not constant and not isinstance(node, _SYNTAX):
            raise InputError(
                f"constraint {text!r} holds {type(node).__name__}; allowed are {_ALLOWED}"
            )
