"""`shallow_copy`: a model with modules of its own and the weights of another."""

from __future__ import annotations

from copy import copy
from typing import Any, TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def shallow_copy(module: Module) -> Module:
    """Return a copy of `module` and all modules in it that holds the very same tensors.

    Modules of the copy can be exchanged without a change to the original; a change of a weight is
    seen by both. A module that is used in several places, listed or kept in a tuple, is one module
    in the copy too.
    """
    copies: dict[int, nn.Module] = {}
    return _copied(module, copies)  # type: ignore[no-any-return]


def _copied(value: Any, copies: dict[int, nn.Module]) -> Any:
    if isinstance(value, nn.Module):
        if id(value) not in copies:
            twin = copies[id(value)] = object.__new__(type(value))
            twin.__dict__.update({n: _copied(each, copies) for n, each in vars(value).items()})
        return copies[id(value)]
    if isinstance(value, tuple) and any(isinstance(each, nn.Module) for each in value):
        return tuple(_copied(each, copies) for each in value)
    if isinstance(value, dict):  # parameters, buffers, modules, hooks
        twin_dict = copy(value)
        for name, each in value.items():
            twin_dict[name] = _copied(each, copies)
        return twin_dict
    return value
