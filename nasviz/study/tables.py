"""The tables that nasviz keeps beside Optuna's, in the same database.

Optuna's own tables hold the study, its trials' parameters and values, and each trial's candidate
as the user attribute `candidate`: that is what `optuna-dashboard` and samplers read. Ours hold what
Optuna has no place for: plans, requests, results, curves (`Trial.report` raises in a study of
several objectives) and workers (its heartbeats run only inside `Study.optimize`).
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1

METADATA = MetaData()

SCHEMA = Table("nasviz_schema", METADATA, Column("version", Integer, primary_key=True))

TRIALS = Table(
    "nasviz_trials",
    METADATA,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),  # Optuna's
    Column("study_id", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("request", String(16), nullable=False, default=""),
    Column("plan", Text, nullable=False),
    Column("corpus", Text, nullable=False),
    Column("origin", String(128), nullable=False),
    Column("proposal", Text, nullable=False, default="{}"),
    Column("result", Text, nullable=False, default="{}"),
    Column("reason", Text, nullable=False, default=""),
    Column("created", Float(53), nullable=False),
    Column("started", Float(53)),
    Column("ended", Float(53)),
    Column("updated", Float(53), nullable=False),
    Column("worker", Integer),
    Column("attempts", Integer, nullable=False, default=0),
    Column("deaths", Integer, nullable=False, default=0),
    UniqueConstraint("study_id", "number"),
    Index("nasviz_trials_by_state", "study_id", "state", "number"),
)

CURVES = Table(
    "nasviz_curves",
    METADATA,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("n_steps", Integer),
    Column("tokens", Float(53)),
    Column("loss", Float(53)),
    Column("bits_per_byte", Float(53)),
    Column("tokens_per_s", Float(53)),
    Column("eta_s", Float(53)),
    Column("memory_bytes", Float(53)),
    Column("seconds", Float(53)),
)

WORKERS = Table(
    "nasviz_workers",
    METADATA,
    Column("worker_id", Integer, primary_key=True),
    Column("study_id", Integer, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", Float(53), nullable=False),  # the process's own start, against reused pids
    Column("started", Float(53), nullable=False),
    Column("heartbeat", Float(53), nullable=False),
    Column("ended", Float(53)),
    Column("state", String(16), nullable=False),
    Column("oom_kills", Integer),  # the kernel's count for this machine at the last heartbeat
    Column("log", Text, nullable=False),
)
