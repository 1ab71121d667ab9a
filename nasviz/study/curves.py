"""Curves: what a trial reported while it trained, in a table of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from nasviz.study.tables import CURVES

NAMES = tuple(column.name for column in CURVES.columns if column.name != "trial_id")


def write_rows(connection: Connection, trial_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store a batch of rows; those at the batch's first step and later are replaced.

    A trial that resumes from its checkpoint repeats steps that it had reported before it was
    killed: the new rows count.
    """
    if not rows:
        return
    first = min(int(row["step"]) for row in rows)
    connection.execute(CURVES.delete().where(CURVES.c.trial_id == trial_id, CURVES.c.step >= first))
    latest = {int(row["step"]): row for row in rows}
    connection.execute(
        CURVES.insert(),
        [
            {"trial_id": trial_id, **{name: row.get(name) for name in NAMES}}
            for row in latest.values()
        ],
    )


def read_curve(
    connection: Connection, trial_id: int, after_step: int = -1
) -> dict[str, NDArray[np.float64]]:
    """Return arrays of shape `(n_rows,)` by name, ordered by step; NaN where nothing was said."""
    columns = [CURVES.c[name] for name in NAMES]
    query = (
        sqlalchemy.select(*columns)
        .where(CURVES.c.trial_id == trial_id, CURVES.c.step > after_step)
        .order_by(CURVES.c.step)
    )
    rows = connection.execute(query).all()
    table = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(len(rows), len(NAMES))
    return {name: table[:, index] for index, name in enumerate(NAMES)}
