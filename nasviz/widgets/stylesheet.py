"""The model that brings the explorer's style sheet to the page, once an explorer."""

from __future__ import annotations

from pathlib import Path

import anywidget

HERE = Path(__file__).parent


class StyleSheet(anywidget.AnyWidget):
    """Draws nothing: its style sheet is scoped under the class of the explorer's root."""

    _esm = "export default { render({ el }) { el.classList.add('nv-style'); } };"
    _css = HERE / "style.css"
