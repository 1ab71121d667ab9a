"""Which studies a folder holds: read without opening, and so without changing, any file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nasviz.errors import InputError
from nasviz.study.location import SQLITE_HEADER, locate

DEFAULT_NAME = "nasviz"
_MOST_FILES = 50  # a folder of thousands of files must not hold up a menu
_PATIENCE_S = 0.5


@dataclass(frozen=True)
class FoundStudy:
    """A study in a SQLite file: where it is, its name there, and how many trials it holds."""

    path: Path
    name: str
    n_trials: int

    @property
    def url(self) -> str:
        """What `Study.open` takes, together with `name`."""
        return f"sqlite:///{self.path}"


def studies_in(folder: Path) -> list[FoundStudy]:
    """Return the studies of nasviz in the files of `folder`, by file and name.

    Files that are none, or can't be read now, are left out.
    """
    return [study for path in _sqlite_files(folder) for study in _studies_of(path)]


def name_at(url: str | os.PathLike[str]) -> str:
    """Return the name of the one study at `url`: the only one there, or the default name.

    Raises `InputError` where a file holds several under other names.
    """
    path = locate(url).path
    names = [] if path is None or not path.exists() else [each.name for each in _studies_of(path)]
    if len(names) <= 1 or DEFAULT_NAME in names:
        return names[0] if len(names) == 1 else DEFAULT_NAME
    raise InputError(
        f"study={os.fspath(url)!r} holds {len(names)} studies; name one of them: {', '.join(names)}"
    )


def _sqlite_files(folder: Path) -> Iterator[Path]:
    found = 0
    for path in sorted(folder.iterdir()):
        if found == _MOST_FILES:
            return
        if _is_sqlite(path):
            found += 1
            yield path


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    except OSError:  # a folder, or not ours to read
        return False


def _studies_of(path: Path) -> list[FoundStudy]:
    query = (
        "SELECT study_name, (SELECT count(*) FROM nasviz_trials WHERE"
        " nasviz_trials.study_id = studies.study_id) FROM studies ORDER BY study_name"
    )
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE_S)) as connection:
            rows = connection.execute(query).fetchall()
    except sqlite3.Error:  # a database of something else, or one that is being made
        return []
    return [FoundStudy(path.absolute(), name, n_trials) for name, n_trials in rows]
