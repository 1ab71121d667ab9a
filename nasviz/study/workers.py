"""Workers: who serves a study, who is alive, and what becomes of a dead one's trial."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.engine import Connection, Row

from nasviz.study.tables import WORKERS

HEARTBEAT_S = 2.0
SILENCE_S = 60.0  # after this long without a heartbeat a worker of another host counts as dead
BORN_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class Worker:
    """One worker process as the study knows it.

    `state` is "starting", "idle", "busy", "ended" or, for one that left without a word, "dead".
    """

    number: int
    host: str
    pid: int
    state: str
    started: float
    heartbeat: float
    log: Path
    oom_kills: int | None = None

    @property
    def alive(self) -> bool:
        """Whether it serves the study now."""
        return self.state not in ("ended", "dead")


def this_host() -> str:
    """Return the name by which workers of this machine are known."""
    return socket.gethostname()


def register(connection: Connection, study_id: int, pid: int, log: Path) -> int:
    """Store a worker that is starting; return its number."""
    now = time.time()
    row = {
        "study_id": study_id,
        "host": this_host(),
        "pid": pid,
        "born": process_start(pid) or now,
        "started": now,
        "heartbeat": now,
        "state": "starting",
        "oom_kills": oom_kills(),
        "log": str(log),
    }
    inserted = connection.execute(WORKERS.insert().values(**row)).inserted_primary_key
    assert inserted is not None  # one row was inserted
    return int(inserted[0])


def beat(connection: Connection, number: int, state: str) -> None:
    """Note that the worker lives, and whether it is "idle" or "busy"."""
    changes: dict[str, Any] = {"heartbeat": time.time(), "state": state, "oom_kills": oom_kills()}
    connection.execute(WORKERS.update().where(WORKERS.c.worker_id == number).values(**changes))


def end(connection: Connection, number: int) -> None:
    """Note that the worker left in good order."""
    now = time.time()
    connection.execute(
        WORKERS.update()
        .where(WORKERS.c.worker_id == number)
        .values(state="ended", ended=now, heartbeat=now)
    )


def read_workers(connection: Connection, study_id: int, *, ended: bool = True) -> list[Worker]:
    """Return the study's workers, oldest first; without the `ended` ones if so wished."""
    query = (
        sqlalchemy.select(WORKERS)
        .where(WORKERS.c.study_id == study_id)
        .order_by(WORKERS.c.worker_id)
    )
    if not ended:
        query = query.where(WORKERS.c.ended.is_(None))
    return [_as_worker(row) for row in connection.execute(query)]


def mark_dead(connection: Connection, workers: Sequence[Worker]) -> None:
    """Note workers that died without a word."""
    connection.execute(
        WORKERS.update()
        .where(WORKERS.c.worker_id.in_([each.number for each in workers]))
        .values(state="dead", ended=time.time())
    )


def _as_worker(row: Row[Any]) -> Worker:
    state = row.state
    if row.ended is None and not _lives(row):
        state = "dead"
    return Worker(
        number=row.worker_id,
        host=row.host,
        pid=row.pid,
        state=state,
        started=row.started,
        heartbeat=row.heartbeat,
        log=Path(row.log),
        oom_kills=row.oom_kills,
    )


def _lives(row: Row[Any]) -> bool:
    if row.host != this_host():
        return bool(time.time() - row.heartbeat < SILENCE_S)
    born = process_start(row.pid)
    return born is not None and abs(born - row.born) < BORN_TOLERANCE_S


def process_start(pid: int) -> float | None:
    """Return when the process `pid` of this machine began, None where there is none (or a zombie).

    In seconds since 1970.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def oom_kills() -> int | None:
    """Return how many processes the kernel ended for want of memory; None where it won't say."""
    for path, key in (
        (Path("/sys/fs/cgroup/memory.events"), "oom_kill"),
        (Path("/proc/vmstat"), "oom_kill"),
    ):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(" ")
            if name == key:
                return int(value)
    return None
