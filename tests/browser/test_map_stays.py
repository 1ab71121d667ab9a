"""The map in a real JupyterLab: it moves while the kernel is busy, stays, and fits the page."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from explorer_page import Open
from lab import SECOND
from map_page import AREA, COUNT, READY, left_in_map, open_map, place
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SLIDER = """
import ipywidgets
slider = ipywidgets.IntRangeSlider(value=(1, 16), min=1, max=16)
link = ipywidgets.jslink((slider, "value"), (m, m.add_range("n_layers", 1, 16)))
display(slider)
"""


def test_sliders_filter_while_the_kernel_is_busy(open_notebook: Open) -> None:
    notebook = open_map(open_notebook, SLIDER)
    page = notebook.page
    handle = page.locator(".noUi-handle-upper")
    handle.focus()
    notebook.kernel()
    started = time.monotonic()
    notebook.execute("import time; time.sleep(6)", wait=False)
    time.sleep(0.5)
    before = left_in_map(page)
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        f"before => !document.querySelector('{COUNT} b').textContent.startsWith(before)",
        arg=f"{before:,}",
        timeout=4 * SECOND,
    )
    assert time.monotonic() - started < 5
    expected = notebook.evaluate("int((numbers['n_layers'] <= 8).sum())")
    assert time.monotonic() - started > 5.5  # the kernel answers only now
    assert left_in_map(page) == expected
    notebook.eventually("[int(end) for end in m.ranges['n_layers']]", [1, 8])
    notebook.eventually("m.counts['left']", expected)


def test_reload_second_view_and_restart_keep_the_map(
    open_notebook: Open, screenshots: Path
) -> None:
    notebook = open_map(open_notebook, "m")
    page = notebook.page
    expect(page.locator(READY)).to_have_count(2)
    first, second = page.locator(AREA).nth(0), page.locator(AREA).nth(1)

    # one widget, two views: a pick in one shows in both, a zoom in its own only
    page.mouse.click(*place(page, 2e-3, 2.6))
    for view in (first, second):
        expect(view).to_have_attribute("data-selected", '["trial-2"]')
    page.get_by_role("button", name="+", exact=True).first.click()
    notebook.eventually("len(m.viewport)", 4)
    assert first.get_attribute("data-view") != second.get_attribute("data-view")

    # what Python changed after the display is what a reloaded page shows
    notebook.execute("m.ranges = {'n_layers': (3, 5)}; m.selection = [41]")
    notebook.eventually("m.counts['left'] < 20_000", True)
    left = notebook.evaluate("m.counts['left']")
    view = first.get_attribute("data-view")
    notebook.reload()
    page.wait_for_selector(READY, timeout=30 * SECOND)
    expect(first).to_have_attribute("data-selected", "[41]")
    assert left_in_map(page) == left
    shown, kept = (json.loads(each or "[]") for each in (first.get_attribute("data-view"), view))
    assert shown == pytest.approx(kept, rel=1e-3)

    # a restarted kernel: a banner, and a map that still moves and takes a lasso
    assert not page.locator(".nasviz-banner").first.is_visible()
    notebook.restart_kernel()
    expect(page.locator(".nasviz-banner").first).to_be_visible(timeout=20 * SECOND)
    before = first.get_attribute("data-view")
    page.get_by_role("button", name="+", exact=True).first.click()
    page.wait_for_timeout(400)
    assert first.get_attribute("data-view") != before
    first.scroll_into_view_if_needed()
    box = first.bounding_box()
    assert box is not None
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    for across, down in ((0.7, 0.3), (0.7, 0.7), (0.3, 0.7)):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator(".nasviz-map-live").first).to_contain_text("candidates picked")
    page.screenshot(path=screenshots / "map-kernel-gone.png")
    assert not notebook.errors


@pytest.mark.parametrize("width", [1000, 1600])
def test_the_map_is_usable_at_every_width(
    open_notebook: Open, screenshots: Path, width: int
) -> None:
    notebook = open_map(open_notebook, width=width)
    for theme in ("light", "dark"):
        notebook.theme(theme)
        time.sleep(0.6)
        notebook.page.screenshot(path=screenshots / f"map-{theme}-{width}.png")
    area = notebook.page.locator(".nasviz-map").bounding_box()
    legend = notebook.page.locator(".nasviz-map-legend").bounding_box()
    assert area is not None
    assert legend is not None
    assert legend["x"] + legend["width"] <= area["x"] + area["width"] + 1
    notebook.theme("light")
