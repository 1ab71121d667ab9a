"""One database: engine, transactions with retries, and errors in a user's words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from nasviz.errors import InputError, NasvizError, RunError
from nasviz.study.location import Location

T = TypeVar("T")

BUSY_TIMEOUT_S = 30.0
RETRIES = 8
TRANSIENT = (
    "database is locked",
    "database table is locked",
    "already exists",
    "deadlock",
    "could not serialize",
    "duplicate key value",
    "UNIQUE constraint failed",
)


class Database:
    """An engine on a study's database, safe from several threads and beside other processes.

    SQLite runs in WAL mode, so that readers and one writer don't wait for each other; a writer
    waits up to `BUSY_TIMEOUT_S` for another. Connections are pooled and bound to no thread.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        options = engine_options(location)
        try:
            self.engine = sqlalchemy.create_engine(engine_url(location), **options)
        except (SQLAlchemyError, ImportError) as error:
            raise described(error, location) from error
        tune(self.engine)

    def read(self, query: Callable[[Connection], T]) -> T:
        """Return what `query` reads; database errors come out as `InputError` or `RunError`."""
        return self.attempt(lambda: self._run(query, self.engine.connect))

    def write(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in one transaction, tried again while another process holds the lock."""
        return self.attempt(lambda: self._run(change, self.engine.begin))

    @staticmethod
    def _run(work: Callable[[Connection], T], connect: Callable[[], Any]) -> T:
        with connect() as connection:
            return work(connection)

    def attempt(self, work: Callable[[], T]) -> T:
        """Return `work()`, repeated after transient database errors, others being explained."""
        for retry in range(RETRIES + 1):
            try:
                return work()
            except Exception as error:  # noqa: PERF203 (retrying is what the loop is for)
                if not _is_database_error(error):
                    raise
                if retry == RETRIES or not _is_transient(error):
                    raise described(error, self.location) from error
                time.sleep(0.01 * 2**retry)
        raise AssertionError("the loop above returns or raises")

    def close(self) -> None:
        """Close the pooled connections; the database opens again on its next use."""
        self.engine.dispose()


def engine_url(location: Location) -> str:
    """Return the URL for `create_engine`, which takes `%41` in a file's name for `A`.

    Raises `InputError` for a server's address that is no URL.
    """
    if location.path is not None:
        return sqlalchemy.URL.create("sqlite", database=str(location.path)).render_as_string()
    try:
        sqlalchemy.make_url(location.url)
    except ValueError as error:  # a port that is no number
        raise InputError(
            f"study={location.shown!r} is no address ({error}); "
            "write postgresql://user@host:port/database"
        ) from None
    return location.url


def engine_options(location: Location) -> dict[str, Any]:
    """Return the keyword arguments for `create_engine`, the same for Optuna's engine and ours."""
    if location.path is None:
        return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    return {"connect_args": {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}}


def tune(engine: Engine) -> None:
    """Put each new SQLite connection of `engine` into WAL mode."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        # WAL survives a crash of any process with synchronous=NORMAL, and saves an fsync a commit.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()


def _is_database_error(error: BaseException) -> bool:
    if isinstance(error, SQLAlchemyError):
        return True
    # Optuna wraps SQLAlchemy's errors in its own.
    return type(error).__module__.startswith("optuna.") and isinstance(
        error.__cause__, SQLAlchemyError
    )


def _root(error: BaseException) -> BaseException:
    """Return the driver's own error below SQLAlchemy's and Optuna's."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    if error.__cause__ is not None and _is_database_error(error):
        return _root(error.__cause__)
    return error


def _is_transient(error: BaseException) -> bool:
    text = str(_root(error))
    return any(each in text for each in TRANSIENT)


def described(error: BaseException, location: Location) -> NasvizError:
    """Return the error that tells a user what is wrong with the database and what to do."""
    root = _root(error)
    text = " ".join(str(root).split())
    study = f"study={location.shown!r}"
    if "database is locked" in text:
        return RunError(
            f"{study} was locked by another process for {BUSY_TIMEOUT_S:g} s; close what writes "
            "to it and try again"
        )
    if isinstance(root, ImportError):
        return InputError(
            f"{study} needs a driver that is not installed ({text}): pip install 'psycopg[binary]'"
        )
    for sign, what, remedy in (
        ("not a database", "is not a study", "choose the right file"),
        ("malformed", "is damaged", "restore it from a copy, or choose a new name"),
        ("is full", "can't grow: the disk is full", "free some space and try again"),
        ("disk I/O error", "can't be written", "check the disk's free space and health"),
        ("readonly", "can't be written to", "check the owner of the file and its folder"),
        ("unable to open", "can't be opened", "check the path and the folder's owner"),
        ("onnect", "can't be reached", "check host, port, user and database"),
    ):
        if sign in text:
            return InputError(f"{study} {what} ({text}); {remedy}")
    return RunError(f"{study}: the database refused ({type(root).__name__}: {text})")
