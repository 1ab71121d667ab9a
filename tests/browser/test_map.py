"""The map in a real JupyterLab: it paints, filters, picks, and follows the theme."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from explorer_page import Open
from lab import SECOND, Notebook
from map_page import AREA, left_in_map, open_map, place
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def shared(open_for_all: Open) -> Notebook:
    """The notebook that the claims about one map share; the next fixture resets it for each."""
    return open_map(open_for_all)


@pytest.fixture
def notebook(shared: Notebook) -> Notebook:
    """A notebook with a map that shows everything and has nothing picked."""
    shared.execute(
        "m.ranges = m.limits = m.choices = {}; m.selection = []\n"
        "m.x, m.y, m.colour = 'seconds', 'bits_per_byte', 'density'; m.x_log = True"
    )
    shared.page.get_by_role("button", name="reset").click()
    shared.page.mouse.move(0, 0)
    shared.eventually("[m.counts['left'], m.viewport]", [20_000, []])
    expect(shared.page.locator(f"{AREA}[data-selected='[]']")).to_have_count(1)
    return shared


@pytest.fixture
def page(notebook: Notebook) -> Page:
    return notebook.page


def costliest(notebook: Notebook) -> tuple[int, float, float]:
    """Return the row of the slowest candidate, alone on the map's right, and its place there."""
    row = notebook.evaluate("int(numbers['seconds'].argmax())")
    x, y = notebook.evaluate(f"[float(numbers[k][{row}]) for k in ('seconds', 'bits_per_byte')]")
    return row, x, y


def darkness(path: Path, at: tuple[float, float]) -> float:
    """Return how dark a screenshot's pixel is: 0 white, 1 black."""
    with Image.open(path) as image:
        pixel = image.convert("RGB").getpixel((int(at[0]), int(at[1])))
    assert isinstance(pixel, tuple)
    return 1 - sum(pixel) / 765


def test_ranges_limits_and_choices_written_in_python_filter_the_map(
    notebook: Notebook, page: Page, screenshots: Path
) -> None:
    page.screenshot(path=screenshots / "map-light-1300.png")
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


def test_the_front_found_on_the_page_is_numpys(notebook: Notebook) -> None:
    front = notebook.evaluate(
        "(lambda p: sorted(int(i) for i in p.front(__import__('numpy').column_stack("
        "[numbers['seconds'].astype('f4'), numbers['bits_per_byte'].astype('f4')]))))"
        "(__import__('nasviz.strategies.pareto', fromlist=['front']))"
    )
    notebook.eventually("sorted(m.front)", front)
    assert len(front) > 1
    assert notebook.evaluate("sorted(m.front)") == front


def test_a_tap_picks_a_trained_trial_or_a_candidate_of_the_cloud(
    notebook: Notebook, page: Page
) -> None:
    taps = notebook.evaluate("m.tap_revision")
    page.mouse.click(*place(page, 2e-3, 2.6))
    notebook.eventually("m.selection", ["trial-2"])
    row, x, y = costliest(notebook)
    page.mouse.click(*place(page, x, y))
    notebook.eventually("m.selection", [row])
    assert notebook.evaluate("m.tap_revision") == taps + 2
    expect(page.locator(f"{AREA}[data-selected='[{row}]']")).to_have_count(1)


def test_hovering_names_a_mark_and_foreign_text_stays_text(
    notebook: Notebook, page: Page, screenshots: Path
) -> None:
    page.mouse.move(*place(page, 1.5e-3, 2.45))
    expect(page.locator(".nasviz-map-tip")).to_contain_text("<img src=x")
    notebook.eventually("m.hovered", "preset-a")
    page.screenshot(path=screenshots / "map-tooltip.png")
    assert page.title() != "1"


def test_arrow_keys_walk_from_candidate_to_candidate(notebook: Notebook, page: Page) -> None:
    row, x, y = costliest(notebook)
    page.mouse.click(*place(page, x, y))
    notebook.eventually("m.selection", [row])
    taps = notebook.evaluate("m.tap_revision")
    page.keyboard.press("ArrowLeft")
    notebook.eventually("m.tap_revision", taps + 1)
    assert notebook.evaluate("m.selection") != [row]
    expect(page.locator(".nasviz-map-live")).to_contain_text("Selected")


def test_a_lasso_picks_what_lies_inside_until_escape(
    notebook: Notebook, page: Page, screenshots: Path
) -> None:
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


def test_axes_and_colour_are_chosen_on_the_page(
    notebook: Notebook, page: Page, screenshots: Path
) -> None:
    page.get_by_role("button", name="log x").click()
    notebook.eventually("m.x_log", False)
    page.get_by_label("colour").select_option("n_layers")
    notebook.eventually("m.colour", "n_layers")
    expect(page.locator(".nasviz-map-legend")).to_contain_text("Layers, mean")
    page.get_by_role("button", name="log x").click()
    page.get_by_label("cost").select_option("weights")
    notebook.eventually("m.x", "weights")
    page.screenshot(path=screenshots / "map-colour.png")


def test_the_wheel_zooms_and_a_double_click_shows_everything_again(
    notebook: Notebook, page: Page
) -> None:
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


def test_the_map_follows_a_change_to_the_dark_theme(
    notebook: Notebook, page: Page, screenshots: Path
) -> None:
    box = page.locator(AREA).bounding_box()
    assert box is not None
    notebook.theme("dark")
    page.wait_for_timeout(600)
    shot = screenshots / "map-dark-1300.png"
    page.screenshot(path=shot)
    notebook.theme("light")
    assert darkness(shot, (box["x"] + box["width"] - 40, box["y"] + 40)) > 0.8


def test_the_saved_notebook_holds_the_maps_picture(
    notebook: Notebook, page: Page, screenshots: Path, tmp_path: Path
) -> None:
    page.wait_for_timeout(2.5 * SECOND)  # the picture is drawn when the map is at rest
    saved = notebook.save()
    assert not notebook.errors
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", str(saved), "--output-dir", tmp_path],
        check=True,
        capture_output=True,
    )
    exported = page.context.new_page()
    exported.goto((tmp_path / f"{saved.stem}.html").as_uri())
    picture = exported.locator(".nasviz-still img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == 800
    exported.screenshot(path=screenshots / "map-exported.png")

    # and in JupyterLab, where another kernel knows nothing of the map
    shutil.copy(saved, saved.with_stem(f"{saved.stem}-copy"))
    copy = Notebook(notebook.lab, exported, f"{saved.stem}-copy.ipynb")
    copy.open()
    expect(picture).to_be_visible()
    exported.close()
    copy.close()
