"""Making a database ready for a study, and refusing one that a newer nasviz wrote."""

from __future__ import annotations

import sqlalchemy
from sqlalchemy.engine import Connection

from nasviz.errors import InputError
from nasviz.study.database import Database
from nasviz.study.mirror import METRICS_KEY, Mirror, metric_names
from nasviz.study.rows import OPTUNA_TRIALS
from nasviz.study.tables import CURVES, METADATA, SCHEMA, SCHEMA_VERSION, TRIALS

# Optuna's tables, read by plain SQL where opening its storage would only take time.
STUDIES = sqlalchemy.table(
    "studies", sqlalchemy.column("study_id"), sqlalchemy.column("study_name")
)
STUDY_ATTRIBUTES = sqlalchemy.table(
    "study_system_attributes",
    sqlalchemy.column("study_id"),
    sqlalchemy.column("key"),
    sqlalchemy.column("value_json"),
)


def prepare(
    database: Database, mirror: Mirror, name: str, objectives: tuple[str, ...]
) -> tuple[int, tuple[str, ...]]:
    """Return the study's id and objectives, making tables and study where they are not there."""
    found = database.read(lambda connection: _find(connection, database, name))
    if found is None:
        mirror.ensure(objectives)
        database.write(_make_tables)
        database.write(_forget_deleted)
        found = database.read(lambda connection: _find(connection, database, name))
    if found is None:
        raise InputError(f"study={database.location.shown!r}: the study {name!r} can't be made")
    study_id, stored = found
    return study_id, stored or objectives


def _make_tables(connection: Connection) -> None:
    METADATA.create_all(connection)
    if connection.execute(sqlalchemy.select(SCHEMA.c.version)).scalar() is None:
        connection.execute(SCHEMA.insert().values(version=SCHEMA_VERSION))


def _forget_deleted(connection: Connection) -> None:
    """Delete what is left of a study that was deleted in Optuna, whose ids come up again."""
    living = sqlalchemy.select(OPTUNA_TRIALS.c.trial_id)
    for table in (TRIALS, CURVES):
        connection.execute(table.delete().where(table.c.trial_id.not_in(living)))


def _find(
    connection: Connection, database: Database, name: str
) -> tuple[int, tuple[str, ...]] | None:
    tables = set(sqlalchemy.inspect(connection).get_table_names())
    if not {"studies", "study_system_attributes", SCHEMA.name} <= tables:
        return None
    version = connection.execute(sqlalchemy.select(SCHEMA.c.version)).scalar()
    if version is None:
        return None
    if version > SCHEMA_VERSION:
        raise InputError(
            f"study={database.location.shown!r} was written by a newer nasviz (schema {version}, "
            f"this one reads up to {SCHEMA_VERSION}); pip install --upgrade nasviz"
        )
    study_id = connection.execute(
        sqlalchemy.select(STUDIES.c.study_id).where(STUDIES.c.study_name == name)
    ).scalar()
    if study_id is None:
        return None
    stored = connection.execute(
        sqlalchemy.select(STUDY_ATTRIBUTES.c.value_json).where(
            STUDY_ATTRIBUTES.c.study_id == study_id, STUDY_ATTRIBUTES.c.key == METRICS_KEY
        )
    ).scalar()
    return int(study_id), metric_names(stored)
