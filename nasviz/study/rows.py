"""From rows of the database to `Trial` records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import sqlalchemy
from sqlalchemy.engine import Connection, Row

from nasviz.space.candidate import Candidate
from nasviz.space.lineage import Lineage
from nasviz.study.tables import TRIALS
from nasviz.study.trial import Trial

# Optuna's tables; named here because the candidate is an attribute of its trial, and so is where a
# pruned one comes from.
OPTUNA_TRIALS = sqlalchemy.table(
    "trials", sqlalchemy.column("trial_id"), sqlalchemy.column("state")
)
ATTRIBUTES = sqlalchemy.table(
    "trial_user_attributes",
    sqlalchemy.column("trial_id"),
    sqlalchemy.column("key"),
    sqlalchemy.column("value_json"),
)

_LINEAGES = ATTRIBUTES.alias("lineages")

WITH_CANDIDATE = (
    sqlalchemy.select(
        TRIALS,
        ATTRIBUTES.c.value_json.label("candidate"),
        _LINEAGES.c.value_json.label("lineage"),
    )
    .join(
        ATTRIBUTES,
        sqlalchemy.and_(
            ATTRIBUTES.c.trial_id == TRIALS.c.trial_id, ATTRIBUTES.c.key == "candidate"
        ),
    )
    .outerjoin(
        _LINEAGES,
        sqlalchemy.and_(_LINEAGES.c.trial_id == TRIALS.c.trial_id, _LINEAGES.c.key == "lineage"),
    )
)


def read_trials(
    connection: Connection,
    study_id: int,
    states: Sequence[str] | None = None,
    numbers: Sequence[int] | None = None,
) -> list[Trial]:
    """Return the study's trials by number, only those in `states` and `numbers` where given."""
    query = WITH_CANDIDATE.where(TRIALS.c.study_id == study_id).order_by(TRIALS.c.number)
    if states is not None:
        query = query.where(TRIALS.c.state.in_(states))
    if numbers is not None:
        query = query.where(TRIALS.c.number.in_(numbers))
    return [as_trial(row) for row in connection.execute(query)]


def as_trial(row: Row[Any]) -> Trial:
    """Return the record of one row of `WITH_CANDIDATE`."""
    return Trial(
        number=row.number,
        candidate=Candidate.from_json(json.loads(row.candidate)),
        plan=MappingProxyType(json.loads(row.plan)),
        corpus=row.corpus,
        state=row.state,
        origin=row.origin,
        result=MappingProxyType(json.loads(row.result)),
        reason=row.reason,
        request=row.request,
        created=_moment(row.created),
        started=_moment(row.started),
        ended=_moment(row.ended),
        worker=row.worker,
        attempts=row.attempts,
        deaths=row.deaths,
        proposal=MappingProxyType(json.loads(row.proposal)),
        lineage=None if row.lineage is None else Lineage.from_json(json.loads(row.lineage)),
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=timezone.utc)
