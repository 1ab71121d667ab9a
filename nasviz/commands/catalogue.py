"""Options of the command line that are settings of the catalogue: its help, its kind of number."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasviz.space.field import Field

_TYPES: dict[str, type] = {"integer": int, "real": float}


def add_field(
    parser: argparse._ActionsContainer, option: str, field: Field, *, note: str = "", **more: Any
) -> argparse.Action:
    """Add `option` for `field` to a parser or a group of one; `more` goes to `add_argument`.

    Its help is the field's, then its choices and its default, then `note`. Ranges are checked by
    whoever takes the value: here only numbers are told from other words.
    """
    said = [field.help]
    if field.choices:
        said.append(f"One of {', '.join(field.choices)}.")
    if more.get("default") is not None:
        said.append(f"Default: {more['default']}.")
    words = " ".join([*said, note]).strip().replace("%", "%%")
    return parser.add_argument(option, type=_TYPES.get(field.kind, str), help=words, **more)
