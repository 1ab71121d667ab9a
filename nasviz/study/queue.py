"""What happens to a trial from waiting to its end; each step is one transaction.

`nasviz_trials` decides. A process that dies between its change there and telling Optuna leaves the
two apart until the next worker starts, which calls `mend_mirror`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.engine import Connection

from nasviz.space.candidate import Candidate
from nasviz.study import workers
from nasviz.study.rows import OPTUNA_TRIALS, read_trials
from nasviz.study.tables import TRIALS
from nasviz.study.trial import FINISHED, Trial

if TYPE_CHECKING:
    from nasviz.study.study import Study

MOST_DEATHS = 2  # a trial on which so many workers died is failed, not tried again


def claim(study: Study, worker: int) -> Trial | None:
    """Return the next waiting trial, now running on `worker`; None where nothing waits.

    Two workers never get the same one: the change of state is a single conditional update.
    """
    while True:
        number = study.database.read(lambda connection: _first_waiting(connection, study.id))
        if number is None:
            return None
        changes = {
            "state": "running",
            "request": "",
            "worker": worker,
            "attempts": TRIALS.c.attempts + 1,
            "started": sqlalchemy.func.coalesce(TRIALS.c.started, time.time()),
        }
        if _change(study, number, ("waiting",), changes):
            trial = study.trial(number)
            study.mirror.started(study.trial_id(number))
            return trial


def waiting(study: Study) -> bool:
    """Whether a trial waits for a worker: one indexed read, cheap enough for 25 times a second."""
    return study.database.read(lambda connection: _first_waiting(connection, study.id)) is not None


def pending_request(study: Study, number: int) -> str:
    """Return what was asked of a running trial: "pause", "cancel" or "" for nothing."""
    query = sqlalchemy.select(TRIALS.c.request).where(
        TRIALS.c.study_id == study.id, TRIALS.c.number == number
    )
    return str(study.database.read(lambda connection: connection.execute(query).scalar_one()))


def found(study: Study, number: int, candidate: Candidate) -> None:
    """Store the candidate that a running trial's own search came to: until then its parent's."""
    study.mirror.found(study.trial_id(number), candidate)


def complete(study: Study, number: int, result: Mapping[str, Any]) -> None:
    """Store the result of a running trial; Optuna gets the objectives.

    Only the worker of a running trial calls this, so Optuna can be told first: whoever sees the
    trial complete finds a worker that is ready for the next one.
    """
    study.mirror.completed(study.trial_id(number), study.objectives, result)
    _end(study, number, ("running",), "complete", result=json.dumps(dict(result)))


def fail(study: Study, number: int, reason: str, *, held_by: int | None = None) -> None:
    """Note that a trial failed, and why; only if that worker holds it, where one is named."""
    states = ("running", "waiting", "paused")
    if _end(study, number, states, "failed", held_by=held_by, reason=reason):
        study.mirror.failed(study.trial_id(number), reason)


def cancel(
    study: Study, number: int, reason: str = "cancelled by the user", *, held_by: int | None = None
) -> bool:
    """Note that a trial was given up; return whether it was still open."""
    states = ("running", "waiting", "paused")
    ended = _end(study, number, states, "cancelled", held_by=held_by, reason=reason)
    if ended:
        study.mirror.failed(study.trial_id(number), reason)
    return ended


def pause(study: Study, number: int, states: Sequence[str] = ("running",)) -> bool:
    """Note that a trial rests in its checkpoint; return whether it was in one of `states`."""
    return _change(study, number, states, {"state": "paused", "request": "", "worker": None})


def wait_again(study: Study, number: int, states: Sequence[str] = ("paused",)) -> bool:
    """Put a trial back among the waiting ones; return whether it was in one of `states`."""
    return _change(study, number, states, {"state": "waiting", "request": "", "worker": None})


def ask(study: Study, number: int, request: str) -> bool:
    """Leave a request for the worker of a running trial; return whether it was running."""
    return _change(study, number, ("running",), {"request": request})


def mend_mirror(study: Study) -> list[int]:
    """Tell Optuna of finished trials that it still takes for open; return their numbers."""
    query = (
        sqlalchemy.select(TRIALS.c.number)
        .join(OPTUNA_TRIALS, OPTUNA_TRIALS.c.trial_id == TRIALS.c.trial_id)
        .where(
            TRIALS.c.study_id == study.id,
            TRIALS.c.state.in_(FINISHED),
            sqlalchemy.cast(OPTUNA_TRIALS.c.state, sqlalchemy.String).in_(("WAITING", "RUNNING")),
        )
    )
    numbers = list(
        study.database.read(lambda connection: connection.execute(query).scalars().all())
    )
    for trial in study.trials(numbers=numbers):
        trial_id = study.trial_id(trial.number)
        if trial.state == "complete":
            study.mirror.completed(trial_id, study.objectives, trial.result)
        else:
            study.mirror.failed(trial_id, trial.reason)
    return numbers


def notice_dead_workers(study: Study) -> list[Trial]:
    """Find workers that died without a word; return the trials that they left.

    Such a trial waits again (it resumes from its checkpoint), or has failed with its reason: the
    kernel ended its worker for want of memory, or workers died on it `MOST_DEATHS` times.
    """
    known = study.database.read(
        lambda connection: workers.read_workers(connection, study.id, ended=False)
    )
    dead = [worker for worker in known if worker.state == "dead"]
    if not dead:
        return []
    left = study.database.read(lambda connection: _trials_of(connection, study.id, dead))
    for trial in left:
        worker = next(each for each in dead if each.number == trial.worker)
        _settle(study, trial, worker)
    study.database.write(lambda connection: workers.mark_dead(connection, dead))
    return [study.trial(trial.number) for trial in left]


def _settle(study: Study, trial: Trial, worker: workers.Worker) -> None:
    """Decide about a dead worker's trial; no more than one of several processes that look does.

    Each change is made only if the dead worker still holds the trial: meanwhile another process
    may have put it back, and a new worker may have taken it.
    """
    place = f"worker {worker.pid} on {worker.host}"
    killed_for_memory = worker.host == workers.this_host() and (
        (workers.oom_kills() or 0) > (worker.oom_kills or 0)
    )
    if trial.request == "cancel":
        cancel(study, trial.number, held_by=worker.number)
    elif killed_for_memory:
        reason = f"out of memory: the kernel ended {place}; try a smaller batch"
        fail(study, trial.number, reason, held_by=worker.number)
    elif trial.deaths + 1 >= MOST_DEATHS:
        reason = f"killed: {place} died, as did the one before it; see {worker.log}"
        fail(study, trial.number, reason, held_by=worker.number)
    else:
        state = "paused" if trial.request == "pause" else "waiting"
        changes = {"state": state, "request": "", "worker": None, "deaths": trial.deaths + 1}
        _change(study, trial.number, ("running",), changes, held_by=worker.number)


def _first_waiting(connection: Connection, study_id: int) -> int | None:
    query = (
        sqlalchemy.select(TRIALS.c.number)
        .where(TRIALS.c.study_id == study_id, TRIALS.c.state == "waiting")
        .order_by(TRIALS.c.number)
        .limit(1)
    )
    number = connection.execute(query).scalar()
    return None if number is None else int(number)


def _trials_of(
    connection: Connection, study_id: int, dead: Sequence[workers.Worker]
) -> list[Trial]:
    numbers = {worker.number for worker in dead}
    return [
        trial
        for trial in read_trials(connection, study_id, ("running",))
        if trial.worker in numbers
    ]


def _end(
    study: Study,
    number: int,
    states: Sequence[str],
    state: str,
    *,
    held_by: int | None = None,
    **more: Any,
) -> bool:
    changes = {"state": state, "request": "", "ended": time.time(), **more}
    return _change(study, number, states, changes, held_by=held_by)


def _change(
    study: Study,
    number: int,
    states: Sequence[str],
    changes: Mapping[str, Any],
    *,
    held_by: int | None = None,
) -> bool:
    """Change the trial if it is in one of `states` (and on that worker); return whether it was."""
    conditions = [
        TRIALS.c.study_id == study.id,
        TRIALS.c.number == number,
        TRIALS.c.state.in_(list(states)),
    ]
    if held_by is not None:
        conditions.append(TRIALS.c.worker == held_by)
    update = TRIALS.update().where(*conditions).values(updated=time.time(), **changes)
    return study.database.write(lambda connection: connection.execute(update).rowcount == 1)
