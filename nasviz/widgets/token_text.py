"""`TokenText`: a page of text on the page whose tokens are coloured by the depth they left at.

The tokens travel once a page, and only where each left when a threshold moves: 1,500 bytes. Words
are put on the page as text, never as HTML.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from nasviz.plots import text_heat_map
from nasviz.plots.text_heat_map import TextHeatMap, depth_mix
from nasviz.plots.visible_text import visible
from nasviz.widgets.esm import joined_module

_HERE = Path(__file__).parent


class TokenText(anywidget.AnyWidget):
    """A `TextHeatMap` that recolours while a threshold moves.

    `left` holds the exit at which each token left, a byte a token; `tapped` is the number in its
    text of the token that was clicked last, or None.
    """

    _esm = joined_module("token_text.js")
    _css = Path(text_heat_map.__file__).with_suffix(".css").read_text(encoding="utf-8") + (
        _HERE / "token_text.css"
    ).read_text(encoding="utf-8")

    page = traitlets.Dict().tag(sync=True)
    left = traitlets.Bytes().tag(sync=True)
    label = traitlets.Unicode("held-out text by depth").tag(sync=True)
    tapped = traitlets.Int(None, allow_none=True).tag(sync=True)

    def show(self, record: TextHeatMap) -> None:
        """Put another page of text, or another criterion's confidence, on the page."""
        with self.hold_sync():
            self.page = page_of(record)
            self.left = left_bytes(record.left)

    def recolour(self, left: ArrayLike) -> None:
        """Show that the page's tokens left at exits `left`, `(n,)`."""
        self.left = left_bytes(left)

    def clear(self) -> None:
        """Take the text off the page."""
        with self.hold_sync():
            self.page, self.left = {}, b""


def page_of(record: TextHeatMap) -> dict[str, Any]:
    """Return what the page must know of a text: its words once each, and numbers of them.

    `words` are as they show in the text, `spelled` as they show in a line; `pieces` (n,) and `said`
    (n, E + 1) are places in them as uint32, `sure` (n, E) float32.
    """
    places: dict[bytes, int] = {}

    def place(piece: bytes) -> int:
        return places.setdefault(piece, len(places))

    pieces = np.array([place(each) for each in record.pieces], dtype=np.uint32)
    said = np.array([[place(each) for each in row] for row in record.said], dtype=np.uint32)
    return {
        "words": [visible(piece) for piece in places],
        "spelled": [visible(piece, spaces=True).replace("\n", "") for piece in places],
        "pieces": pieces.tobytes(),
        "said": said.tobytes(),
        "sure": record.sure.astype(np.float32).tobytes(),
        "layers": list(record.layers),
        "mixes": [depth_mix(at, record.layers) for at in range(len(record.layers))],
        "criterion": record.criterion.replace("_", " "),
        "first": record.first,
    }


def left_bytes(left: ArrayLike) -> bytes:
    """Return exits as a byte each; there are fewer exits than that."""
    return np.asarray(left).astype(np.uint8).tobytes()
