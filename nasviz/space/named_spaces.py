"""The spaces that come with nasviz, read from `named_spaces.toml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from nasviz.errors import unknown_name
from nasviz.space import toml


@cache
def _all() -> dict[str, Any]:
    text = files("nasviz.space").joinpath("named_spaces.toml").read_text(encoding="utf-8")
    return toml.parse(text)


def names() -> tuple[str, ...]:
    """Return the names of the spaces, from the smallest to the largest."""
    return tuple(_all())


def data_of(name: str) -> dict[str, Any]:
    """Return a named space as plain data; raises `InputError` with the nearest name."""
    if name not in _all():
        raise unknown_name("space", name, names())
    return {"name": name, **_all()[name]}
