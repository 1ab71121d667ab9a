"""FigureView in a real JupyterLab: events come back, and what is shown is always the latest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import SECOND, Notebook
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIGURE = """
from nasviz.widgets.figure_view import FigureView
view = FigureView(label="three points", height="300px", placeholder="drawing …")
display(view)
from bokeh.plotting import figure
drawn = figure(sizing_mode="stretch_both", tools="tap", toolbar_location=None, title="first")
dots = drawn.scatter([1, 2, 3], [1, 3, 2], size=30)
taps = []
drawn.on_event("tap", lambda event: taps.append([round(event.x, 1), round(event.y, 1)]))
view.show(drawn)
"""
READY = ".nasviz-figure-frame[data-state='ready']"


def shown_title(notebook: Notebook, place: int = 0) -> str:
    """Return the title in the Bokeh document of the page's view at `place`."""
    return str(
        notebook.page.evaluate(
            """(place) => {
              const bokeh = globalThis.nasvizBokeh.values().next().value;
              return bokeh.then((loaded) => [...loaded.index.roots]
                .map((view) => view.model)
                .filter((model) => model.type === "Figure")[place].title.text);
            }""",
            place,
        )
    )


def test_taps_holds_views_reload_theme_and_restart(
    open_notebook: Callable[..., Notebook], screenshots: Path
) -> None:
    notebook = open_notebook(FIGURE, "view")
    notebook.run_all()
    page = notebook.page
    expect(page.locator(READY)).to_have_count(2, timeout=30 * SECOND)
    assert page.locator(READY).first.get_attribute("aria-label") == "three points"

    # a tap on the middle point: an event and a selection in Python, and in the other view
    box = page.locator(READY).first.bounding_box()
    assert box is not None
    page.evaluate("() => { window.seen = 0; }")
    for share in (0.5, 0.515, 0.53):
        page.mouse.click(box["x"] + box["width"] * share, box["y"] + 42)
        time.sleep(0.4)
        if notebook.evaluate("dots.data_source.selected.indices") == [1]:
            break
    assert notebook.evaluate("dots.data_source.selected.indices") == [1]
    assert notebook.evaluate("len(taps) >= 1")
    assert abs(notebook.evaluate("taps[-1][0]") - 2) < 0.2

    # one hold: one revision for three changes, in both views
    before = notebook.evaluate("view.revision")
    notebook.execute(
        "with view.hold():\n"
        "    dots.data_source.data = {'x': [1, 2], 'y': [2, 1]}\n"
        "    drawn.title.text = 'second'\n"
        "    dots.glyph.size = 12\n"
    )
    for place in (0, 1):
        frame = page.locator(".nasviz-figure-frame").nth(place)
        expect(frame).to_have_attribute("data-revision", str(before + 1))
    assert [shown_title(notebook, place) for place in (0, 1)] == ["second", "second"]

    notebook.theme("dark")
    time.sleep(0.6)
    page.screenshot(path=screenshots / "figure-dark.png")
    notebook.theme("light")

    # changed after the display, by a thread during a busy cell: a reload shows it
    notebook.execute("drawn.title.text = 'third'")
    notebook.reload()
    page.wait_for_selector(READY, timeout=30 * SECOND)
    assert shown_title(notebook) == "third"

    notebook.restart_kernel()
    expect(page.locator(".nasviz-banner").first).to_be_visible(timeout=20 * SECOND)
    expect(page.locator(READY).first).to_be_visible()
    page.screenshot(path=screenshots / "figure-kernel-gone.png")
    assert not notebook.errors
