"""A page with a map of made-up candidates, and where on it things lie."""

from __future__ import annotations

import json
import math
from pathlib import Path

from explorer_page import Open
from lab import SECOND, Notebook
from playwright.sync_api import Page

SAMPLE = (Path(__file__).parent / "map_sample.py").read_text(encoding="utf-8")
AREA = ".nasviz-map-area"
READY = f"{AREA}[data-state='ready'][data-paints]"
COUNT = ".nasviz-map-count"


def open_map(open_notebook: Open, *more: str, width: int = 1300) -> Notebook:
    """Return a notebook whose map `m` shows 20,000 candidates; `more` are further cells."""
    notebook = open_notebook(SAMPLE, "m", *more, width=width)
    notebook.run_all()
    notebook.page.wait_for_selector(READY, timeout=30 * SECOND)
    notebook.page.locator(AREA).first.scroll_into_view_if_needed()
    notebook.eventually("m.counts.get('total')", 20_000)
    return notebook


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return where on the page the data's point (x, y) lies on the first map, its x in log."""
    area = page.locator(AREA).first
    left, top, width, height = json.loads(area.get_attribute("data-frame") or "[]")
    x0, x1, y0, y1 = json.loads(area.get_attribute("data-view") or "[]")
    box = area.bounding_box()
    assert box is not None
    return (
        box["x"] + left + (math.log10(x) - x0) / (x1 - x0) * width,
        box["y"] + top + (y1 - y) / (y1 - y0) * height,
    )


def left_in_map(page: Page) -> int:
    """Return how many candidates the first map says are left."""
    text = page.locator(f"{COUNT} b").first.inner_text()
    return int(text.split(" of ")[0].replace(",", ""))
