"""`nasviz spaces`: search spaces, their dimensions and how many candidates they hold."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

HELP = """List the named search spaces, or show one: its dimensions, size, and what is excluded.

SPACE is a name (laptop, workstation, datacentre, dynamic), a JSON or TOML file, or - for
standard input."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("space", nargs="?", metavar="SPACE", help="one space only")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="spaces and counts, as JSON")
    form.add_argument("--toml", action="store_true", help="one SPACE as a file to start from")


def run(arguments: argparse.Namespace) -> int:
    """Print the spaces; returns 0. Raises `InputError` for a space that can't be read."""
    from nasviz.errors import InputError
    from nasviz.space import named_spaces
    from nasviz.space.space_file import read_space

    if arguments.toml and arguments.space is None:
        raise InputError("--toml prints one space; name it, such as: nasviz spaces laptop --toml")
    names = named_spaces.names() if arguments.space is None else [arguments.space]
    spaces = [read_space(name) for name in names]
    if arguments.toml:
        print(spaces[0].to_toml(), end="")
    elif arguments.json:
        print(json.dumps([_as_json(space) for space in spaces], indent=2))
    else:
        print("\n\n".join(_as_text(space) for space in spaces))
    return 0


def _as_json(space: SearchSpace) -> dict[str, Any]:
    count = _without_costs(space).count()
    return {
        "space": space.to_json(),
        "total": count.total,
        "feasible": count.feasible,
        "exact": count.exact,
        "standard_error": count.standard_error,
        "excluded": dict(count.excluded),
    }


def _as_text(space: SearchSpace) -> str:
    count = _without_costs(space).count()
    lines = [repr(space), f"  {count}"]
    lines += [f"  excluded: {part:,} because {why}" for why, part in count.excluded.items()]
    if space.limits or space.target:
        lines.append("  (limits on costs depend on the workload and are not counted here)")
    return "\n".join(lines)


def _without_costs(space: SearchSpace) -> SearchSpace:
    """Return the space without limits and target: listing spaces asks nobody for a workload."""
    from dataclasses import replace

    return replace(space, limits=(), target=None)
