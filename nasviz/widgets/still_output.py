"""The still picture beside the live map: kept current in the notebook, seen when no map is alive.

JupyterLab shows a widget without a kernel as an error line, whatever else its output holds, so
the picture is an output of its own. `candidate_map.css` hides it on any page with a live map.
"""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from IPython.core.display_functions import display

from nasviz.errors import InputError

if TYPE_CHECKING:
    from nasviz.widgets.candidate_map import CandidateMap

_FOLLOWED = [
    "specs", "x", "y", "x_log", "y_log", "marks", "current", "selection", "ranges", "limits",
    "choices",
]  # fmt: skip
_REST_S = 1.5  # a picture is drawn when nothing has changed for so long


class StillOutput:
    """One output of a cell that holds a `CandidateMap`'s latest picture."""

    def __init__(self, shown: CandidateMap) -> None:
        self._map = shown
        self._id = uuid4().hex
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._last = ""

    def show(self) -> None:
        """Put the output under the cell that runs now, and follow the map from here on."""
        self._last = still_html(self._map)
        self._display(self._last, update=False)
        self._map.observe(self._changed, _FOLLOWED)

    def close(self) -> None:
        """Follow the map no more."""
        self._map.unobserve(self._changed, _FOLLOWED)
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _changed(self, _change: Any) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(_REST_S, self._update)
            self._timer.daemon = True
            self._timer.start()

    def _update(self) -> None:
        html = still_html(self._map)
        if html != self._last:
            self._last = html
            self._display(html, update=True)

    def _display(self, html: str, update: bool) -> None:
        bundle = {"text/html": html, "text/plain": ""}
        display(bundle, raw=True, display_id=self._id, update=update)  # type: ignore[no-untyped-call]


def still_html(shown: CandidateMap) -> str:
    """Return the map's picture as HTML that an untrusted notebook may show too: an image."""
    try:
        picture = shown.still()
    except InputError:  # no sample yet: nothing to see
        return '<div class="nasviz-still"></div>'
    data = base64.b64encode(picture.encode("utf-8")).decode("ascii")
    return (
        '<div class="nasviz-still"><img alt="map of candidates, a still picture" '
        f'src="data:image/svg+xml;base64,{data}"></div>'
    )
