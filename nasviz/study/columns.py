"""A study's trials as arrays, by plain SQL: thousands in a fraction of a second.

Optuna's `get_trials` builds Python objects trial by trial, which takes seconds for thousands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from nasviz.space.architecture import NAMES
from nasviz.space.fields import FIELDS, TRAINING_FIELDS
from nasviz.study.rows import ATTRIBUTES
from nasviz.study.tables import TRIALS

Column = NDArray[Any]

RESULTS = (
    "bits_per_byte",
    "search_bits_per_byte",
    "perplexity",
    "accuracy",
    "tokens",
    "bytes",
    "epochs",
    "seconds",
    "parameters",
    "time_per_output_token_s",
    "measured_time_per_output_token_s",
)

_READ = (
    "number",
    "state",
    "origin",
    "corpus",
    "reason",
    "created",
    "started",
    "ended",
    "candidate",
    "plan",
    "result",
)


def read_columns(connection: Connection, study_id: int) -> dict[str, Column]:
    """Return arrays of shape `(n,)`, one row a trial, ordered by number.

    `number`, `state`, `origin`, `corpus`, `reason`; `created`, `started`, `ended` (seconds since
    1970, NaN for not yet); every field of an architecture as `CandidateTable` stores it (choices
    as codes); training settings that plans name, and results (NaN where there is none).
    """
    query = (
        sqlalchemy.select(
            *(TRIALS.c[name] for name in _READ if name != "candidate"),
            ATTRIBUTES.c.value_json.label("candidate"),
        )
        .join(
            ATTRIBUTES,
            sqlalchemy.and_(
                ATTRIBUTES.c.trial_id == TRIALS.c.trial_id, ATTRIBUTES.c.key == "candidate"
            ),
        )
        .where(TRIALS.c.study_id == study_id)
        .order_by(TRIALS.c.number)
    )
    rows = connection.execute(query).mappings().all()
    columns: dict[str, Column] = {
        "number": np.array([row["number"] for row in rows], dtype=np.int64)
    }
    for name in ("state", "origin", "corpus", "reason"):
        columns[name] = np.array([row[name] for row in rows], dtype=np.str_)
    for name in ("created", "started", "ended"):
        columns[name] = np.array([row[name] for row in rows], dtype=np.float64)
    architectures = [json.loads(row["candidate"])["architecture"] for row in rows]
    columns.update(_architecture_columns(architectures))
    plans = [json.loads(row["plan"]) for row in rows]
    for field in TRAINING_FIELDS:
        columns[field.name] = _numbers(plans, field.name)
    results = [json.loads(row["result"]) for row in rows]
    for name in RESULTS:
        columns[name] = _numbers(results, name)
    return columns


def _architecture_columns(architectures: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for name in NAMES:
        field = FIELDS[name]
        values = [each.get(name, field.default) for each in architectures]
        if field.kind == "choice":
            codes = {choice: code for code, choice in enumerate(field.choices)}
            columns[name] = np.array([codes[value] for value in values], dtype=np.int64)
        elif field.kind == "switch":
            columns[name] = np.array(values, dtype=np.bool_)
        else:
            kind = np.float64 if field.kind == "real" else np.int64
            columns[name] = np.array(values, dtype=kind)
    return columns


def _numbers(records: Sequence[Mapping[str, Any]], name: str) -> Column:
    values = [record.get(name) for record in records]
    return np.array(
        [value if isinstance(value, int | float) else np.nan for value in values], dtype=np.float64
    )
