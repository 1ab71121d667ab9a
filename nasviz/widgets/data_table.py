"""`DataTable`: a table whose head sorts, whose rows can be picked, and two of them compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

HERE = Path(__file__).parent


@dataclass(frozen=True)
class TableColumn:
    """One column: the key of its cells, its head, a line of help; `words` runs over lines."""

    name: str
    label: str
    help: str = ""
    words: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what the browser needs to draw the head."""
        return asdict(self)


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and what it is sorted by (None comes last either way)."""

    text: str
    key: float | str | None = None
    kind: str = ""

    def to_json(self) -> list[Any]:
        """Return `[text, key, kind]`."""
        return [self.text, self.key, self.kind]


class DataTable(anywidget.AnyWidget):
    """Rows by identity: `picked` is the row that was clicked, `compared` at most two ticked ones.

    The text of cells is put on the page as text, never as HTML. The order is the browser's own
    and stays when rows change.
    """

    _esm = HERE / "data_table.js"

    columns = traitlets.List(traitlets.Dict()).tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    picked = traitlets.Any(None, allow_none=True).tag(sync=True)
    compared: traitlets.List[Any] = traitlets.List().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    empty = traitlets.Unicode().tag(sync=True)

    def __init__(self, columns: Sequence[TableColumn], title: str, empty: str = "") -> None:
        super().__init__(columns=[each.to_json() for each in columns], title=title, empty=empty)

    def show(self, rows: Mapping[int, Mapping[str, Cell]]) -> None:
        """Replace the rows: by identity, the cells by column."""
        fresh = [
            {"id": key, "cells": {name: cell.to_json() for name, cell in cells.items()}}
            for key, cells in rows.items()
        ]
        if fresh != self.rows:
            self.rows = fresh
