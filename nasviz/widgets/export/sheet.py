"""Rows as CSV text that spreadsheets open, and in which no text becomes a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

# What spreadsheets run as a formula (OWASP, "CSV Injection"); an apostrophe makes it text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def sheet(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Return `rows` under `head` as CSV (RFC 4180): None is an empty cell, a number stays one.

    Text that a spreadsheet would run begins with an apostrophe.

    >>> sheet(["name", "bits"], [["=1+1", 2.5]])
    "name,bits\r\n'=1+1,2.5\r\n"
    """
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow([_cell(each) for each in head])
    for row in rows:
        writer.writerow([_cell(each) for each in row])
    return written.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
