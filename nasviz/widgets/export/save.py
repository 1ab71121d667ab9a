"""Exporting by a file's suffix: a page, a picture, or a sheet of candidates or trials."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from nasviz.errors import InputError, RunError
from nasviz.whole_file import whole_file

SUFFIXES = (".html", ".png", ".svg", ".csv")


def suffix_of(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a file to write; raises `InputError` for one that means nothing here."""
    if not isinstance(path, str | os.PathLike) or "\0" in os.fspath(path):
        raise InputError(f"path={path!r} can't name a file; write one such as 'map.html'")
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"path={os.fspath(path)!r} has no suffix to export by; end it in one of "
            f"{', '.join(SUFFIXES)}"
        )
    return suffix


def check_page(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` unless `path` names an HTML file in a folder that is there."""
    if suffix_of(path) != ".html":
        raise InputError(f"path={os.fspath(path)!r} is to be a page; end it in .html")
    _in_its_folder(path)


def write(path: str | os.PathLike[str], make: Callable[[], bytes]) -> Path:
    """Write what `make` returns to `path`, whole or not at all; return the path.

    Raises `InputError` where the folder is not there, `RunError` where the disk refuses.
    """
    target = _in_its_folder(path)
    made = make()
    try:
        with whole_file(target) as partial:
            partial.write_bytes(made)
    except OSError as error:
        raise RunError(f"{target} could not be written: {error.strerror or error}") from error
    return target


def _in_its_folder(path: str | os.PathLike[str]) -> Path:
    """Return the path; raises `InputError` where its folder is not there."""
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise InputError(f"path={os.fspath(path)!r}: the folder {target.parent} is not there")
    return target
