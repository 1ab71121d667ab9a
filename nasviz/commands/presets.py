"""`nasviz presets`: the published models that come with nasviz."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from nasviz.commands.aligned import aligned

if TYPE_CHECKING:
    from nasviz.space.presets import Preset

HELP = """List the published models that a CANDIDATE may name.

Their numbers of parameters are exact: only models that nasviz expresses exactly are listed."""

SIZES = ("n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "vocab_size", "context_length")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("family", nargs="?", help="one family only, such as gpt2 or llama")
    parser.add_argument("--json", action="store_true", help="every field, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the presets; returns 0. Raises `InputError` for an unknown family."""
    from nasviz.errors import unknown_name
    from nasviz.space import presets

    if arguments.family not in (None, *presets.FAMILIES):
        raise unknown_name("family", arguments.family, presets.FAMILIES)
    rows = [presets.preset(name) for name in presets.NAMES]
    rows = [row for row in rows if arguments.family in (None, row.family)]
    if arguments.json:
        print(json.dumps([_as_json(row) for row in rows], indent=2))
    else:
        _print_table(rows)
    return 0


def _as_json(row: Preset) -> dict[str, Any]:
    return {
        "name": row.name,
        "family": row.family,
        "parameters": row.parameters,
        "source": row.source,
        "paper": row.paper,
        "architecture": row.architecture.to_json(),
    }


def _print_table(rows: list[Preset]) -> None:
    heads = ["name", "family", "parameters", *SIZES, "source"]
    lines = [heads]
    for row in rows:
        sizes = [str(getattr(row.architecture, name)) for name in SIZES]
        lines.append([row.name, row.family, f"{row.parameters:,}", *sizes, row.source])
    print(aligned(lines, right=range(2, len(heads) - 1)))
