"""`ExportMenu`: what of the explorer can be taken away, as downloads in the reader's browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from nasviz.errors import NasvizError
from nasviz.widgets.candidate_map import CandidateMap
from nasviz.widgets.esm import joined_module
from nasviz.widgets.export.exports import Export


class ExportMenu(anywidget.AnyWidget):
    """A menu of files. The map's picture is made on the page, the others of `exports` here.

    `errand(name, job)` runs what takes a while beside the kernel's thread.
    """

    _esm = joined_module("export_menu.js")
    _map = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        shown: CandidateMap,
        exports: Mapping[str, Export],
        errand: Callable[[str, Callable[[], None]], None],
    ) -> None:
        super().__init__(_map=shown.model_id)
        self._exports = exports
        self._errand = errand
        self.on_msg(self._receive)

    def _receive(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if content.get("type") == "make":
            self._errand("export", lambda: self._make(self._exports[content["kind"]]))

    def _make(self, wanted: Export) -> None:
        try:
            made = wanted.make()
        except NasvizError as problem:
            self.send({"type": "problem", "text": str(problem)})
            return
        self.send({"type": "file", "name": wanted.name, "mime": wanted.mime}, buffers=[made])
