"""Where a study lives: its database's URL, and the folder of its checkpoints."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from nasviz.errors import InputError

DEFAULT_URL = "sqlite:///nasviz.db"
SQLITE_HEADER = b"SQLite format 3\0"
SCHEMES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Location:
    """A study's database and the folder beside it.

    `path` is the SQLite file, None for PostgreSQL; `directory` holds checkpoints, logs and locks.
    """

    url: str
    path: Path | None
    directory: Path

    @property
    def shown(self) -> str:
        """The URL without its password, for messages."""
        return without_password(self.url)


def without_password(url: str) -> str:
    """Return `url` with an ellipsis for its password."""
    return re.sub(r"(://[^:/@]+):[^@]*@", r"\1:…@", url)


def locate(url: str | os.PathLike[str] | None) -> Location:
    """Return where the study at `url` lives: a URL, a plain path of a SQLite file, or the default.

    Nothing is created. Raises `InputError` for an empty path, an unknown scheme, a folder that is
    not there or can't be written to, and a file that is no SQLite database.
    """
    if not isinstance(url, str | os.PathLike | None):
        raise InputError(f"a study's address is a URL or a file's path, not {url!r}")
    text = DEFAULT_URL if url is None else os.fspath(url)
    if not text.strip():
        raise InputError(f"the study's address is empty; give a file, or a URL like {DEFAULT_URL}")
    if "://" not in text:
        text = f"sqlite:///{text}"
    scheme, _, rest = text.partition("://")
    dialect, _, _ = scheme.partition("+")
    if dialect not in SCHEMES:
        raise InputError(
            f"study={without_password(text)!r}: a study lives in SQLite or PostgreSQL, not in "
            f"{scheme!r}; write {DEFAULT_URL} or postgresql://user@host/database"
        )
    if dialect == "postgresql":
        # Named, since SQLAlchemy's own choice of a driver changes with its version.
        driven = text if "+" in scheme else f"postgresql+psycopg://{rest}"
        return Location(driven, None, _remote_directory(rest))
    path = _sqlite_path(rest, text)
    return Location(f"sqlite:///{path}", path, path.with_name(f"{path.name}.trials"))


def _sqlite_path(rest: str, text: str) -> Path:
    if not rest.startswith("/") or rest in ("/", "/:memory:"):
        raise InputError(
            f"study={text!r} names no file (a worker in another process must be able to open it); "
            f"write {DEFAULT_URL}, with four slashes for an absolute path"
        )
    if "?" in rest:
        raise InputError(
            f"study={text!r}: what follows a ? would be options, and nasviz sets them itself; "
            "write the file's name only"
        )
    path = Path(rest[1:]).expanduser().absolute()
    _check_name(path, text)
    if path.is_dir():
        raise InputError(f"study={text!r} is a folder; name a file in it: {path / 'nasviz.db'}")
    if not path.parent.is_dir():
        raise InputError(f"study={text!r}: the folder {path.parent} is not there; create it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f"study={text!r}: the folder {path.parent} can't be written to; choose another"
        )
    if path.exists():
        _check_file(path, text)
    return path


def _check_name(path: Path, text: str) -> None:
    """Raise `InputError` for a name that no file can have; there need be no such file yet."""
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"study={text!r} can't name a file ({why}); choose another name") from None


def _check_file(path: Path, text: str) -> None:
    """Raise `InputError` where the file at `path` is no database that could hold a study."""
    if not os.access(path, os.R_OK | os.W_OK):
        raise InputError(f"study={text!r}: the file can't be read and written; check its owner")
    with path.open("rb") as file:
        header = file.read(len(SQLITE_HEADER))
    if header and header != SQLITE_HEADER:
        raise InputError(
            f"study={text!r} is not a study: it is no SQLite file (it begins with {header[:8]!r}); "
            "choose another name, or the right file"
        )
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)
        try:
            rows = connection.execute(
                "SELECT name FROM sqlite_master WHERE type='table'"
            ).fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"study={text!r} can't be read ({error}); restore it from a copy, or choose a new name"
        ) from error
    names = {name for (name,) in rows}
    if names and not {"studies", "trials"} <= names:
        shown = ", ".join(sorted(names)[:4])
        raise InputError(
            f"study={text!r} is a database of something else (its tables: {shown}); "
            "choose another file"
        )


def _remote_directory(rest: str) -> Path:
    """Return this machine's folder for the checkpoints of a study in a database server."""
    import platformdirs

    passwordless = re.sub(r"^([^:/@]+):[^@]*@", r"\1@", rest)
    digest = hashlib.sha256(passwordless.encode()).hexdigest()[:12]
    return Path(platformdirs.user_data_dir("nasviz")) / "studies" / digest
