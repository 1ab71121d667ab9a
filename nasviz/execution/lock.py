"""Locks between processes of this machine, released by the kernel if one dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nasviz.errors import InputError


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock of that file; others wait. Raises `InputError` where it can't be written."""
    with _opened(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def held_alone(path: Path, held: str) -> Iterator[None]:
    """Hold the lock of that file; others are refused by an `InputError` that says what is `held`.

    Raises it where the file can't be written, too.
    """
    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{held}; wait until it has ended, or use another study") from None
        yield


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except OSError as error:
        raise InputError(
            f"{path} can't be written ({error.strerror}); a study needs a folder beside it"
        ) from error
