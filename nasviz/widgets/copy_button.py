"""`CopyButton`: puts a text on the reader's clipboard, also while the kernel is busy."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class CopyButton(anywidget.AnyWidget):
    """A button that copies `text`; it says so, or shows the text where copying is not allowed."""

    _esm = HERE / "copy_button.js"

    text = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode("copy").tag(sync=True)
    help = traitlets.Unicode().tag(sync=True)
