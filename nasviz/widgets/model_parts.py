"""`ModelParts`: a model's layers, heads and feed-forward parts, to be taken away by a click."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import anywidget
import traitlets

from nasviz.widgets.esm import joined_module

Part = Literal["layer", "head", "group", "feed_forward"]


@dataclass(frozen=True)
class HeadCell:
    """One head: whether it stays, its importance from 0 to 1 (None: not known), and its words."""

    head: int
    kept: bool
    share: float | None
    help: str


@dataclass(frozen=True)
class FeedForwardBar:
    """How many of a layer's feed-forward units stay, and its words."""

    kept: int
    of: int
    label: str
    help: str


@dataclass(frozen=True)
class LayerRow:
    """One layer with its heads by the KV head that they read; importance as of a head."""

    layer: int
    label: str
    kept: bool
    share: float | None
    help: str
    groups: tuple[tuple[HeadCell, ...], ...]
    ff: FeedForwardBar

    def to_json(self) -> dict[str, Any]:
        """Return what the browser needs to draw this row."""
        return asdict(self)


class ModelParts(anywidget.AnyWidget):
    """Rows of parts, coloured by importance; a part that goes is hollow.

    The page only says what was pressed: `on_toggle` gets the kind of part and its place, `(layer,)`
    or `(layer, head)`, of a whole KV group `(layer, group)`. Arrow keys go from part to part.
    """

    _esm = joined_module("model_parts.js")

    rows: traitlets.List[Any] = traitlets.List().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    heads_title = traitlets.Unicode("heads").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, title: str) -> None:
        super().__init__(title=title)

    def show(self, rows: Sequence[LayerRow]) -> None:
        """Show these layers."""
        fresh = [row.to_json() for row in rows]
        grouped = any(len(group) > 1 for row in rows for group in row.groups)
        with self.hold_sync():
            self.heads_title = "heads, by the KV head they read" if grouped else "heads"
            if fresh != self.rows:
                self.rows = fresh

    def on_toggle(self, act: Callable[[Part, tuple[int, ...]], None]) -> None:
        """Call `act` with a part that was pressed."""

        def receive(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            if content.get("type") == "toggle":
                act(content["part"], tuple(map(int, content["place"])))

        self.on_msg(receive)
