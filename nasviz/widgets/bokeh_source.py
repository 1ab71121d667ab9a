"""BokehJS on its way to the page: the installed package's own file, gzipped, once a page."""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import threading
from functools import cache
from pathlib import Path

import ipywidgets
import traitlets

_LOCK = threading.Lock()


class BokehSource(ipywidgets.Widget):  # type: ignore[misc]
    """The model (without a view) that brings `bokeh.min.js` to a page with its first state.

    A model rather than an answer to a question: a kernel busy with a cell can't answer, and the
    figures must appear all the same. Every figure of a kernel names the same one.
    """

    version = traitlets.Unicode().tag(sync=True)
    gzipped = traitlets.Bytes().tag(sync=True)


_shared: list[BokehSource] = []


def shared_source() -> BokehSource:
    """Return this kernel's `BokehSource`, making it on the first call or after it was closed."""
    with _LOCK:
        if not _shared or _shared[0].comm is None:
            _shared[:] = [BokehSource(version=bokeh_version(), gzipped=gzipped_bokehjs())]
        return _shared[0]


def bokeh_version() -> str:
    """Return the installed Bokeh's version without importing it (which takes over a second)."""
    return importlib.metadata.version("bokeh")


@cache
def gzipped_bokehjs() -> bytes:
    """Return the installed package's `bokeh.min.js`, gzipped: about 350 kB."""
    spec = importlib.util.find_spec("bokeh")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("bokeh is not installed; nasviz draws its figures with it")
    script = Path(spec.origin).parent / "server" / "static" / "js" / "bokeh.min.js"
    return gzip.compress(script.read_bytes(), compresslevel=6, mtime=0)
