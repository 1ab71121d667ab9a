"""The two kinds of failure a user can meet: wrong input (exit code 2) and a failed run (1)."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class NasvizError(Exception):
    """Base of every error that nasviz raises on purpose; `exit_code` is the command line's."""

    exit_code = 1


class InputError(NasvizError, ValueError):
    """What was asked for is wrong: the message names the value, the place and the remedy."""

    exit_code = 2


class RunError(NasvizError, RuntimeError):
    """The input was right and the run failed: out of memory, NaN, a killed worker."""

    exit_code = 1


def check_names(kind: str, names: Iterable[object], known: Collection[str]) -> None:
    """Raise `unknown_name`'s error for the first of `names` that is none of `known`."""
    for name in names:
        if name not in known:
            raise unknown_name(kind, name, known)


def unknown_name(kind: str, name: object, known: Iterable[str]) -> InputError:
    """Return the error for a `name` that is none of `known`, with the nearest suggested.

    >>> str(unknown_name("preset", "gtp2", ["gpt2", "opt-125m"]))
    "unknown preset 'gtp2'; did you mean 'gpt2'?"
    """
    names = [str(each) for each in known]
    nearest = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    if nearest:
        return InputError(f"unknown {kind} {name!r}; did you mean {nearest[0]!r}?")
    shown = ", ".join(sorted(names)[:12]) + (", …" if len(names) > 12 else "")
    return InputError(f"unknown {kind} {name!r}; known: {shown or 'none'}")
