"""The `nasviz` command: finds the command's module, and turns errors into exit codes.

Exit codes: 0 done, 2 the input is wrong (nothing was written), 1 the run failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TextIO

from nasviz import __version__
from nasviz.errors import InputError, NasvizError, unknown_name

COMMANDS = (
    "lab",
    "cost",
    "train",
    "prune",
    "search",
    "compare-joint",
    "compare-roads",
    "generate",
    "export",
    "presets",
    "spaces",
    "hardware",
)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are `InputError`s, so that all errors look alike."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise InputError(f"{message}\n{self.format_usage().strip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _run(words)
    except NasvizError as error:
        print(f"nasviz: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("nasviz: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning of ours as a line of ours; the code that raised it tells a user nothing."""
    print(f"nasviz: warning: {message}", file=sys.stderr)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if words[0] == "--version":
        print(f"nasviz {__version__}")
        return 0
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        raise unknown_name("command", name, COMMANDS)
    command = _module(name)
    parser = _Parser(
        prog=f"nasviz {name}",
        description=command.HELP,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    if getattr(command, "PASSES_THE_REST_ON", False):
        known, others = parser.parse_known_args(rest)
        known.others = others
        return int(command.run(known))
    return int(command.run(parser.parse_args(rest)))


def _module(name: str) -> ModuleType:
    return import_module(f"nasviz.commands.{name.replace('-', '_')}")


def _overview() -> str:
    lines = ["usage: nasviz COMMAND …", "", "Understand and search transformer architectures.", ""]
    for name in COMMANDS:
        first_line = _module(name).HELP.strip().splitlines()[0]
        lines.append(f"  {name:<14} {first_line}")
    return "\n".join([*lines, "", "nasviz COMMAND --help says more; nasviz --version."])


if __name__ == "__main__":
    raise SystemExit(main())
