"""The IPython extension: `%load_ext nasviz` makes the cell line `%nasviz` open the explorer."""

from __future__ import annotations

from typing import Any


def load(shell: Any) -> None:
    """Register the `%nasviz` line magic with an IPython shell."""
    shell.register_magic_function(_explore, magic_kind="line", magic_name="nasviz")


def _explore(line: str) -> Any:
    """Return an explorer of the named space (`%nasviz workstation`), or of `laptop`."""
    from nasviz.space.search_space import SearchSpace
    from nasviz.widgets.explorer import Explorer

    return Explorer(SearchSpace.named(line.strip() or "laptop"))
