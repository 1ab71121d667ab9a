"""One explorer a cell: running the cell again closes the one before, whose threads would stay."""

from __future__ import annotations

import weakref
from typing import Any, Protocol


class Closable(Protocol):
    """Something that a cell made and that can be closed."""

    def close(self) -> None:
        """Stop its threads and take it off the page."""


_open: weakref.WeakValueDictionary[str, Closable] = weakref.WeakValueDictionary()


def close_previous(explorer: Closable) -> None:
    """Close what this cell made when it ran before, and remember `explorer` in its place.

    Where the cell isn't told (a script, another front end) nothing is closed.
    """
    cell = this_cell()
    if not cell:
        return
    before = _open.get(cell)
    if before is not None:
        before.close()
    _open[cell] = explorer


def this_cell() -> str:
    """Return the identity of the notebook's cell that is running; empty where it isn't told."""
    kernel = getattr(_shell(), "kernel", None)
    parent = kernel.get_parent() if kernel is not None else None
    metadata = (parent or {}).get("metadata", {})
    return str(metadata.get("cellId", ""))


def _shell() -> Any:
    from IPython import get_ipython

    return get_ipython()
