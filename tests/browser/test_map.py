"""The map in a real JupyterLab: it paints, filters, picks, follows the theme, and stays."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import SECOND, Notebook
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SAMPLE = (Path(__file__).parent / "map_sample.py").read_text(encoding="utf-8")
SLIDER = """
import ipywidgets
slider = ipywidgets.IntRangeSlider(value=(1, 16), min=1, max=16)
link = ipywidgets.jslink((slider, "value"), (m, m.add_range("n_layers", 1, 16)))
display(slider)
"""
AREA = ".nasviz-map-area"
READY = f"{AREA}[data-state='ready'][data-paints]"
COUNT = ".nasviz-map-count"


def open_map(open_notebook: Callable[..., Notebook], *more: str, width: int = 1300) -> Notebook:
    notebook = open_notebook(SAMPLE, "m", *more, width=width)
    notebook.run_all()
    notebook.page.wait_for_selector(READY, timeout=30 * SECOND)
    notebook.page.locator(AREA).first.scroll_into_view_if_needed()
    notebook.eventually("m.counts.get('total')", 20_000)
    return notebook


def place(page: Page, x: float, y: float, x_log: bool = True) -> tuple[float, float]:
    """Return where on the page the data's point (x, y) lies on the first map."""
    area = page.locator(AREA).first
    left, top, width, height = json.loads(area.get_attribute("data-frame") or "[]")
    x0, x1, y0, y1 = json.loads(area.get_attribute("data-view") or "[]")
    box = area.bounding_box()
    assert box is not None
    across = math.log10(x) if x_log else x
    return (
        box["x"] + left + (across - x0) / (x1 - x0) * width,
        box["y"] + top + (y1 - y) / (y1 - y0) * height,
    )


def left_in_map(page: Page) -> int:
    text = page.locator(f"{COUNT} b").first.inner_text()
    return int(text.split(" of ")[0].replace(",", ""))


def darkness(path: Path, at: tuple[float, float]) -> float:
    """Return how dark a screenshot's pixel is: 0 white, 1 black."""
    with Image.open(path) as image:
        pixel = image.convert("RGB").getpixel((int(at[0]), int(at[1])))
    assert isinstance(pixel, tuple)
    return 1 - sum(pixel) / 765


def test_the_map_paints_filters_picks_and_leaves_its_picture(
    open_notebook: Callable[..., Notebook], screenshots: Path, tmp_path: Path
) -> None:
    notebook = open_map(open_notebook)
    page = notebook.page
    page.screenshot(path=screenshots / "map-light-1300.png")

    # a filter written in Python
    expected = notebook.evaluate(
        "int(((numbers['n_layers'] >= 3) & (numbers['n_layers'] <= 5)).sum())"
    )
    notebook.execute("m.ranges = {'n_layers': (3, 5)}")
    notebook.eventually("m.counts['left']", expected)
    assert left_in_map(page) == expected
    notebook.execute("m.limits = {'weights': 5e6}; m.choices = {'mlp': [0, 2]}")
    kept = (
        "int(((numbers['n_layers'] >= 3) & (numbers['n_layers'] <= 5)"
        " & (numbers['weights'] <= 5e6) & (numbers['mlp'] != 1)).sum())"
    )
    notebook.eventually("m.counts['left']", notebook.evaluate(kept))
    notebook.execute("m.ranges = m.limits = m.choices = {}")
    notebook.eventually("m.counts['left']", 20_000)

    # the front found on the page is numpy's
    front = notebook.evaluate(
        "(lambda p: sorted(int(i) for i in p.front(__import__('numpy').column_stack("
        "[numbers['seconds'].astype('f4'), numbers['bits_per_byte'].astype('f4')]))))"
        "(__import__('nasviz.strategies.pareto', fromlist=['front']))"
    )
    notebook.eventually("sorted(m.front)", front)

    # a tap on a trained trial, and on the cloud
    page.mouse.click(*place(page, 2e-3, 2.6))
    notebook.eventually("m.selection", ["trial-2"])
    row = notebook.evaluate("int(numbers['seconds'].argmax())")
    x, y = notebook.evaluate(f"[float(numbers[k][{row}]) for k in ('seconds', 'bits_per_byte')]")
    page.mouse.click(*place(page, x, y))
    notebook.eventually("m.selection", [row])
    assert notebook.evaluate("m.tap_revision") == 2
    expect(page.locator(f"{AREA}[data-selected='[{row}]']")).to_have_count(1)

    # hovering names the candidate; foreign text stays text
    page.mouse.move(*place(page, 1.5e-3, 2.45))
    tip = page.locator(".nasviz-map-tip").first
    expect(tip).to_contain_text("<img src=x")
    notebook.eventually("m.hovered", "preset-a")
    page.screenshot(path=screenshots / "map-tooltip.png")
    assert page.title() != "1"

    # arrow keys walk from candidate to candidate
    page.keyboard.press("ArrowLeft")
    notebook.eventually("m.tap_revision", 3)
    assert notebook.evaluate("m.selection") != [row]
    expect(page.locator(".nasviz-map-live").first).to_contain_text("Selected")

    # a lasso around a rectangle of the data
    corners = [(1e-3, 3.0), (4e-3, 3.0), (4e-3, 2.2), (1e-3, 2.2)]
    points = [place(page, *corner) for corner in corners]
    page.keyboard.down("Shift")
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in [*points[1:], points[0]]:
        page.mouse.move(*point, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    notebook.eventually("m.lasso_revision", 1)
    inside = notebook.evaluate(
        "int(((numbers['seconds'] > 1e-3) & (numbers['seconds'] < 4e-3)"
        " & (numbers['bits_per_byte'] < 3.0) & (numbers['bits_per_byte'] > 2.2)).sum())"
    )
    picked = notebook.evaluate("len([i for i in m.lassoed if isinstance(i, int)])")
    assert abs(picked - inside) <= 0.02 * inside  # the mouse stands on whole pixels
    assert "trial-2" in notebook.evaluate("m.lassoed")
    page.screenshot(path=screenshots / "map-lasso.png")
    page.keyboard.press("Escape")
    notebook.eventually("m.lassoed", [])

    # axes and colour are chosen on the page
    page.get_by_role("button", name="log x").click()
    notebook.eventually("m.x_log", False)
    page.get_by_label("colour").select_option("n_layers")
    notebook.eventually("m.colour", "n_layers")
    expect(page.locator(".nasviz-map-legend").first).to_contain_text("Layers, mean")
    page.get_by_role("button", name="log x").click()
    page.get_by_label("cost").select_option("weights")
    notebook.eventually("m.x", "weights")
    page.screenshot(path=screenshots / "map-colour.png")

    # zoom with Ctrl + wheel; double-click shows everything again
    whole = page.locator(AREA).get_attribute("data-view")
    box = page.locator(AREA).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    notebook.eventually("len(m.viewport)", 4)
    assert page.locator(AREA).get_attribute("data-view") != whole
    page.mouse.dblclick(box["x"] + box["width"] - 40, box["y"] + 60)
    notebook.eventually("m.viewport", [])
    assert page.locator(AREA).get_attribute("data-view") == whole

    # dark, live
    notebook.theme("dark")
    time.sleep(0.6)
    shot = screenshots / "map-dark-1300.png"
    page.screenshot(path=shot)
    assert darkness(shot, (box["x"] + box["width"] - 40, box["y"] + 40)) > 0.8
    notebook.theme("light")

    # the saved notebook holds the picture: exported to HTML, and opened where no kernel is
    time.sleep(2.5)
    saved = notebook.save()
    assert not notebook.errors
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", str(saved), "--output-dir", tmp_path],
        check=True,
        capture_output=True,
    )
    page.goto((tmp_path / f"{saved.stem}.html").as_uri())
    picture = page.locator(".nasviz-still img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == 800
    page.screenshot(path=screenshots / "map-exported.png")
    notebook.close()
    notebook.open()
    expect(page.locator(".nasviz-still img")).to_be_visible()


def test_sliders_filter_while_the_kernel_is_busy(open_notebook: Callable[..., Notebook]) -> None:
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
    open_notebook: Callable[..., Notebook], screenshots: Path
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

    # a restarted kernel: a banner, and a map that still moves
    assert not page.locator(".nasviz-banner").first.is_visible()
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    expect(page.locator(".nasviz-banner").first).to_be_visible(timeout=20 * SECOND)
    before = first.get_attribute("data-view")
    page.get_by_role("button", name="+", exact=True).first.click()
    page.wait_for_timeout(400)
    assert first.get_attribute("data-view") != before
    page.screenshot(path=screenshots / "map-kernel-gone.png")
    assert not notebook.errors


@pytest.mark.parametrize("width", [1000, 1600])
def test_the_map_is_usable_at_every_width(
    open_notebook: Callable[..., Notebook], screenshots: Path, width: int
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
