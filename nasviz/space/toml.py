"""TOML: read by the standard library (`tomli` on Python 3.10), written for what we store."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from nasviz.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse(text: str) -> dict[str, Any]:
    """Return the data of a TOML text; raises `InputError` with line and column."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"not TOML: {error}") from None


def write(data: Mapping[str, Any]) -> str:
    """Return `data` as TOML: a mapping of plain values, lists of them, and mappings in turn.

    The outermost mappings become tables, the ones within them one-line tables.
    """
    plain = {key: value for key, value in data.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, table in data.items():
        if key not in plain:
            lines += ["", f"[{_key(key)}]"]
            lines += [f"{_key(inner)} = {_value(value)}" for inner, value in table.items()]
    return "\n".join(lines).lstrip("\n") + "\n"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(text: str) -> str:
    # JSON's escapes are TOML's, except that TOML also wants DEL escaped and no lone surrogates.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int() | float():
            return repr(value)  # Python's 1.5, 1e-05, inf and nan are TOML's too
        case Mapping():
            inner = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items())
            return f"{{ {inner} }}"
        case list() | tuple():
            return f"[{', '.join(_value(each) for each in value)}]"
    raise TypeError(f"{value!r} has no place in TOML")
