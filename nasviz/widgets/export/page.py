"""The map as one HTML file that works by itself: its sliders and its axes go on answering.

The page runs the very modules that run in a notebook, with models that nobody listens to: BokehJS
comes from the installed package and travels inside the file, nothing is fetched.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from nasviz.widgets.bokeh_source import bokeh_version, gzipped_bokehjs
from nasviz.widgets.candidate_map import MAP_CSS, CandidateMap
from nasviz.widgets.esm import joined_module
from nasviz.widgets.html import text
from nasviz.widgets.knobs import Knobs
from nasviz.widgets.still_output import still_html

HERE = Path(__file__).parent
WIDGETS = HERE.parent
BOKEH_ID = "bokeh"

# What ipywidgets keeps about any widget, and what the page has as modules of its own.
_LEFT_OUT = re.compile(r"^(layout|tabbable|tooltip|comm|keys|_(?!bokeh|target|forwards).*)$")


def map_page(
    shown: CandidateMap, panels: Sequence[tuple[str, Knobs]], title: str, facts: Sequence[str]
) -> str:
    """Return the page of a map under `title`, with `facts` beside it and sliders at its left.

    `panels` are the sliders' headings and rows; those that are linked to the map move it.
    """
    models: dict[str, Any] = {shown.model_id: _state(shown)}
    shown_rows = [(name, knobs.model_id, _linked(_state(knobs))) for name, knobs in panels]
    shown_rows = [each for each in shown_rows if each[2]["knobs"]]
    models |= {model_id: state for _, model_id, state in shown_rows}
    data = {
        "map": shown.model_id,
        "panels": [{"title": name, "knobs": model_id} for name, model_id, _ in shown_rows],
        "models": models,
        "bokeh": BOKEH_ID,
        "version": bokeh_version(),
    }
    packed = gzip.compress(json.dumps(data).encode("utf-8"), mtime=0)
    pieces = {
        "title": text(title),
        "facts": " · ".join(text(each) for each in facts),
        "css": MAP_CSS + _read(WIDGETS / "style.css") + _read(HERE / "page.css"),
        "still": still_html(shown),
        "data": _base64(packed),
        "bokeh": _base64(gzipped_bokehjs()),
        "map": _as_global(joined_module("candidate_map.js"), "nasvizMap"),
        "knobs": _as_global(_read(WIDGETS / "knobs.js"), "nasvizKnobs"),
        "page": _script(_read(HERE / "page.js")),
    }
    template = _read(HERE / "page.html")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: pieces[found[1]], template)


def _state(widget: ipywidgets.Widget) -> dict[str, Any]:
    """Return a widget's traits as JSON; bytes become `{"base64": …}`."""
    state = {
        name: _plain(value)
        for name, value in widget.get_state().items()
        if not _LEFT_OUT.match(name)
    }
    return state | ({"_bokeh": BOKEH_ID} if "_bokeh" in state else {})


def _linked(state: dict[str, Any]) -> dict[str, Any]:
    """Return the rows that move the map, unfolded: the others ask something of a kernel."""
    rows = [row for row in state["knobs"] if row["name"] in state["_forwards"]]
    return {**state, "knobs": rows, "folds": False, "summary": ""}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": _base64(bytes(value))}
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _as_global(module: str, name: str) -> str:
    """Return a module's text whose default export is a global instead: the page imports nothing."""
    return _script(re.sub(r"^export default ", f"globalThis.{name} = ", module, flags=re.MULTILINE))


def _script(source: str) -> str:
    return source.replace("</script", r"<\/script")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
