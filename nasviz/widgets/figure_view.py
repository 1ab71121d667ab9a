"""`FigureView`: the small widget that shows a Bokeh figure on the page and keeps it current.

The kernel holds the `Document`; a page gets it whole when it opens the widget, then one message
for each hold. Every page, view and reload therefore shows what the kernel has now.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from nasviz.widgets.bokeh_source import shared_source
from nasviz.widgets.esm import joined_module

if TYPE_CHECKING:
    from bokeh.document import Document
    from bokeh.document.events import DocumentChangedEvent
    from bokeh.model import Model

_CSS = Path(__file__).parent / "figure_view.css"


class FigureView(anywidget.AnyWidget):
    """A Bokeh figure on the page; may be displayed before there is one.

        view = FigureView(label="Loss of trial 9 against tokens")
        view.show(draw_learning_curve(curves))   # any figure or layout of Bokeh's
        with view.hold():                        # one message, one repaint
            figure.select_one("curve").data = columns

    `label` is what a screen reader says; `height` is CSS. Taps, selections and ranges come back
    as ordinary Bokeh events and properties of the same models (`figure.on_event("tap", …)`).
    All methods may be called from any thread.
    """

    _esm = joined_module("figure_view.js")
    _css = _CSS.read_text(encoding="utf-8")
    _bokeh = traitlets.Unicode().tag(sync=True)
    _bokeh_version = traitlets.Unicode().tag(sync=True)
    # Never stored: `get_state` makes it from the document whenever a page asks.
    _document = traitlets.Any(None).tag(sync=True)
    label = traitlets.Unicode("figure").tag(sync=True)
    height = traitlets.Unicode("260px").tag(sync=True)
    placeholder = traitlets.Unicode("").tag(sync=True)

    def __init__(self, figure: Model | None = None, **traits: Any) -> None:
        self._lock = threading.RLock()
        self._live: Document | None = None
        self._revision = 0
        self._held = 0
        self._pending: list[DocumentChangedEvent] = []
        source = shared_source()
        super().__init__(_bokeh=source.model_id, _bokeh_version=source.version, **traits)
        self.on_msg(self._receive)
        if figure is not None:
            self.show(figure)

    @property
    def document(self) -> Document | None:
        """The document on show, or None before the first `show`."""
        return self._live

    @property
    def revision(self) -> int:
        """How many messages this figure has sent: grows with each repaint."""
        return self._revision

    def show(self, figure: Model) -> None:
        """Put `figure` on every page in place of what was there (its zoom is lost: see `hold`)."""
        from bokeh.document import Document

        with self._lock:
            if self._live is not None:
                self._live.remove_on_change(self._collect)
                self._live.clear()
            if figure.document is not None:
                figure.document.remove_root(figure)
            self._live = Document()
            self._live.add_root(figure)
            self._live.on_change(self._collect)
            self._revision += 1
            self._send_document()

    def clear(self) -> None:
        """Take the figure off every page: the placeholder is there again."""
        with self._lock:
            if self._live is None:
                return
            self._live.remove_on_change(self._collect)
            self._live = None
            self._pending = []
            self._revision += 1
            self._send_document()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Collect every change made inside into one message: one repaint on the page."""
        with self._lock:
            self._held += 1
            try:
                yield
            finally:
                self._held -= 1
                if self._held == 0:
                    self._flush(origin=None)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the widget's state with the document as it is at this moment."""
        state: dict[str, Any] = super().get_state(key=key, drop_defaults=drop_defaults)
        if "_document" in state:
            state["_document"] = self._serialised()
        return state

    def _collect(self, event: DocumentChangedEvent) -> None:
        """Take one change of the document: to the page at once, or at the end of the hold."""
        from bokeh.document.events import DocumentPatchedEvent

        if not isinstance(event, DocumentPatchedEvent):
            return
        with self._lock:
            self._pending.append(event)
            if self._held == 0:
                self._flush(origin=event.setter)

    def _flush(self, origin: Any) -> None:
        from bokeh.core.serialization import Serializer

        events, self._pending = _combined(self._pending), []
        if not events or self._live is None:
            return
        models = self._live.models
        serializer = Serializer(references=models.synced_references)
        content = {"events": serializer.encode(events)}
        models.flush_synced(lambda model: not serializer.has_ref(model))
        self._revision += 1
        message = _message(content, serializer.buffers)
        buffers = message.pop("buffers")
        head = {"type": "patch", "revision": self._revision, "origin": origin}
        self.send(head | message, buffers=buffers)

    def _send_document(self) -> None:
        document = self._serialised() or {"revision": self._revision, "buffers": []}
        buffers = document.pop("buffers")
        self.send({"type": "document", **document}, buffers=buffers)

    def _serialised(self) -> dict[str, Any] | None:
        with self._lock:
            if self._live is None:
                return None
            serialised = self._live.to_json(deferred=True)
            return {
                "revision": self._revision,
                **_message(serialised.content, serialised.buffers),
            }

    def _receive(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        """Answer a page: it may have missed messages, or tell what was done to the figure."""
        with self._lock:
            if content.get("type") == "hello":
                if content.get("revision") != self._revision:
                    self._send_document()
            elif content.get("type") == "patch" and self._live is not None:
                patch = json.loads(content["json"])
                self._live.apply_json_patch(patch, setter=content.get("origin"))


def _message(content: Any, buffers: list[Any]) -> dict[str, Any]:
    """Return `content` as JSON text with its binary columns beside it, by id."""
    from bokeh.core.json_encoder import serialize_json

    return {
        "json": serialize_json(content),
        "ids": [buffer.id for buffer in buffers],
        "buffers": [memoryview(buffer.to_bytes()) for buffer in buffers],
    }


def _combined(events: list[DocumentChangedEvent]) -> list[DocumentChangedEvent]:
    """Return `events` with later changes of the same property folded into the first."""
    kept: list[DocumentChangedEvent] = []
    for event in events:
        if not any(
            _same_columns(earlier, event) or earlier.combine(event) for earlier in reversed(kept)
        ):
            kept.append(event)
    return kept


def _same_columns(earlier: DocumentChangedEvent, event: DocumentChangedEvent) -> bool:
    """Return whether both replace all columns of one source: the latest are sent either way."""
    from bokeh.document.events import ColumnDataChangedEvent

    return (
        isinstance(earlier, ColumnDataChangedEvent)
        and isinstance(event, ColumnDataChangedEvent)
        and earlier.model is event.model
        and earlier.cols is None
        and event.cols is None
    )
