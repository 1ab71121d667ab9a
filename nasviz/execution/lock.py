"""A lock that processes of this machine take in turn, released by the kernel if one dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasviz.errors import InputError


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock of that file; others wait. Raises `InputError` where it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise InputError(
            f"{path} can't be written ({error.strerror}); a study needs a folder beside it"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
