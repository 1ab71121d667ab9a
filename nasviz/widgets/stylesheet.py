"""The model that brings the explorer's style sheet to the page, once an explorer."""

from __future__ import annotations

from pathlib import Path

import anywidget

HERE = Path(__file__).parent


class StyleSheet(anywidget.AnyWidget):
    """Draws nothing; it also marks the explorer on the page when the kernel is gone."""

    _esm = HERE / "stylesheet.js"
    _css = HERE / "style.css"
