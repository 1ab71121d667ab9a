"""Files out of the explorer, as a reader downloads them; another study, as a reader opens it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from explorer_page import Open, drag_slider, explore
from lab import SECOND, Notebook
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from nasviz import Architecture, Candidate, Study
from nasviz.study import queue

pytestmark = [pytest.mark.slow, pytest.mark.browser]

FORMULA = "=HYPERLINK(1)"


@pytest.fixture
def study(tmp_path: Path) -> str:
    """Return the address of a study with two complete trials and a failed one."""
    return filled(tmp_path / "first.db", 3, failed=1)


def filled(path: Path, n_trials: int, failed: int) -> str:
    opened = Study.open(path)
    for number in range(n_trials):
        opened.add(Candidate(Architecture(1 + number, 64, 2, 256, 64)), {"tokens": 200_000})
        queue.claim(opened, worker=0)
        if number == failed:
            queue.fail(opened, number, FORMULA)
            continue
        queue.complete(opened, number, {
            "bits_per_byte": 2.9 - 0.1 * number, "search_bits_per_byte": 2.9, "accuracy": 0.4,
            "tokens": 200_000, "seconds": 20.0, "parameters": 90_000, "bytes": 200_000,
        })  # fmt: skip
    opened.close()
    return str(path)


def download(page: Page, kind: str, to: Path) -> Path:
    """Return the file that the export menu's row of that kind downloads."""
    menu = page.locator(".nv-exports")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    with page.expect_download(timeout=30 * SECOND) as started:
        menu.locator(f"[data-export={kind}]").click()
    path = to / started.value.suggested_filename
    started.value.save_as(path)
    return path


def pixels_of(png: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a PNG file, shape (height, width, 3)."""
    assert png.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def sheet_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


def test_the_picture_is_made_on_the_page_also_when_the_kernel_is_gone(
    open_notebook: Open, corpus: str, study: str, tmp_path: Path, screenshots: Path
) -> None:
    notebook = explore(open_notebook, corpus, study, width=1600, height=1100)
    page = notebook.page
    page.wait_for_selector(".nv-pill:has-text('2 trained')")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.wait_for_selector(".nv-explorer.nv-lost", timeout=20 * SECOND)
    png = download(page, "png", tmp_path).read_bytes()
    (screenshots / "export.png").write_bytes(png)
    pixels = pixels_of(png)
    area = page.locator(".nasviz-map-area").bounding_box()
    assert area is not None
    assert pixels.shape[1] == pytest.approx(2 * area["width"], abs=4)
    assert pixels.shape[0] > 2 * area["height"]  # the legend stands below the map
    colours, counts = np.unique(pixels[..., :3].reshape(-1, 3), axis=0, return_counts=True)
    most = colours[counts.argmax()]
    assert most.tolist() == [255, 255, 255]
    blue = (colours[:, 2] > colours[:, 0] + 60) & (colours[:, 2] > 120)
    assert counts[blue].sum() > 20_000  # the cloud
    orange = (abs(colours.astype(int) - [213, 94, 0]) < 12).all(axis=1)
    assert counts[orange].sum() > 50  # the two trained dots
    legend = pixels[int(2 * area["height"]) :, :, :3]
    assert (legend.max(axis=2) < 140).sum() > 500  # dark letters


def test_sheets_hold_what_the_sliders_leave_and_run_no_formula(
    open_notebook: Open, corpus: str, study: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, study)
    page = notebook.page
    page.wait_for_selector(".nv-pill:has-text('2 trained')")
    drag_slider(page, "n_layers", "Layers, to", 0.3)
    notebook.eventually("list(explorer.ranges['n_layers'])", [1, 3])
    notebook.eventually("int(explorer.state.sample.table['n_layers'][-10_000:].max())", 3)
    candidates = sheet_of(download(page, "candidates", tmp_path))
    assert len(candidates) > 5_000
    assert {row["n_layers"] for row in candidates} == {"1", "2", "3"}
    assert all(float(row["time_per_output_token_s"]) > 0 for row in candidates)
    trials = sheet_of(download(page, "trials", tmp_path))
    assert [row["state"] for row in trials] == ["complete", "failed", "complete"]
    assert trials[1]["reason"] == f"'{FORMULA}"
    assert float(trials[2]["bits_per_byte"]) == pytest.approx(2.7)
    assert notebook.errors == []


def test_the_page_opens_without_a_server_and_its_sliders_move_its_map(
    open_notebook: Open, corpus: str, study: str, tmp_path: Path, browser: Browser,
    screenshots: Path,
) -> None:  # fmt: skip
    notebook = explore(open_notebook, corpus, study)
    notebook.page.wait_for_selector(".nv-pill:has-text('2 trained')")
    path = download(notebook.page, "html", tmp_path)
    context = browser.new_context(viewport={"width": 1300, "height": 900}, offline=True)
    page = context.new_page()
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector(".nasviz-map-area[data-state=ready]", timeout=30 * SECOND)
    page.wait_for_function(
        "() => /20,000/.test(document.querySelector('.nasviz-map-count')?.textContent)"
    )
    thumb = page.get_by_role("slider", name="Layers, to", exact=True)
    thumb.focus()
    for _ in range(5):
        thumb.press("ArrowLeft")
    page.wait_for_function(
        "() => / of 20,000/.test(document.querySelector('.nasviz-map-count').textContent)"
    )
    paints = int(page.locator(".nasviz-map-area").get_attribute("data-paints") or 0)
    page.get_by_label("colour").select_option(label="Layers")
    page.wait_for_function(
        "before => Number(document.querySelector('.nasviz-map-area').dataset.paints) > before",
        arg=paints,
    )
    page.screenshot(path=screenshots / "export-page.png")
    assert page.locator(".nasviz-mark-trained").count() == 1
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    context.close()


def test_another_study_is_opened_from_the_header_and_a_wrong_one_is_said_there(
    open_notebook: Open, corpus: str, study: str, tmp_path: Path, screenshots: Path
) -> None:
    filled(tmp_path / "second.db", 5, failed=0)
    notebook = explore(open_notebook, corpus, study, width=1600, height=1100)
    page = notebook.page
    page.wait_for_selector(".nv-pill:has-text('2 trained')")
    menu = page.locator(".nv-studies")
    menu.locator("summary").click()
    menu.locator("button:has-text('first.db')[aria-pressed=true]").wait_for()
    field = menu.get_by_label("Another study's address")
    wrong = tmp_path / "notes.db"
    wrong.write_text("my notes")
    field.fill(str(wrong))
    field.press("Enter")
    menu.locator(".nv-error:has-text('is not a study')").wait_for()
    page.screenshot(path=screenshots / "study-menu.png")
    assert shown(notebook) == "first.db"
    assert wrong.read_text() == "my notes"
    menu.locator("button:has-text('second.db')").click()
    page.wait_for_selector(".nv-pill:has-text('4 trained')")
    assert shown(notebook) == "second.db"
    assert menu.get_attribute("open") is None
    drawn = notebook.evaluate("[mark['id'] for mark in explorer._map_panel.map.marks]")
    assert sorted(each for each in drawn if each.startswith("trial-")) == [
        "trial-1", "trial-2", "trial-3", "trial-4",
    ]  # fmt: skip
    page.wait_for_selector(".nv-card-title:text-is('5 layers × 64 wide')")
    # A file that is not there yet becomes a new study.
    menu.locator("summary").click()
    field.fill(str(tmp_path / "third.db"))
    menu.get_by_role("button", name="Open").click()
    page.wait_for_selector(".nv-pill:has-text('0 trained')")
    assert shown(notebook) == "third.db"
    assert notebook.errors == []


def shown(notebook: Notebook) -> str:
    """Return the name of the study's file as the header says it."""
    return notebook.page.locator(".nv-studies summary b").inner_text()
