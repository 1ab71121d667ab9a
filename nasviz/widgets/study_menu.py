"""`StudyMenu`: the name of the study on show, and a menu to open another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from nasviz.widgets.esm import joined_module


class StudyMenu(anywidget.AnyWidget):
    """A pill that opens a list of studies and a field for an address.

    `found` holds what to offer: `{"url", "name", "label", "note", "current"}` each. `address` tells
    the page that another study is on show. `problem` is said below the field, `busy` waits.
    """

    _esm = joined_module("study_menu.js")

    title = traitlets.Unicode("…").tag(sync=True)
    help = traitlets.Unicode().tag(sync=True)
    found = traitlets.List(traitlets.Dict()).tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    address = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, look: Callable[[], None], choose: Callable[[str, str | None], None], **traits: Any
    ) -> None:
        super().__init__(**traits)
        self._look = look
        self._choose = choose
        self.on_msg(self._receive)

    def _receive(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        """Answer the page: the menu was opened, or a study was chosen or typed in it."""
        if content.get("type") == "look":
            self._look()
        elif content.get("type") == "open":
            self._choose(str(content["url"]), content.get("name"))
