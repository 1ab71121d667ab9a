"""Hands on the explorer's page: open it, drag, tap, type, and read what stands on the map."""

from __future__ import annotations

from collections.abc import Callable

from lab import SECOND, Notebook
from playwright.sync_api import Page

Open = Callable[..., Notebook]

CELL = "import nasviz\nexplorer = nasviz.Explorer(study={study!r}, corpus={corpus!r})\nexplorer"
TINY = "nasviz.Architecture(n_layers=1, d_model=64, n_heads=1, vocab_size=256, context_length=64)"


def explore(open_notebook: Open, corpus: str, study: str, **size: int) -> Notebook:
    """Return a notebook whose explorer stands on the page with its map drawn."""
    notebook = open_notebook(CELL.format(study=study, corpus=corpus), **size)
    notebook.command("application:toggle-left-area")
    run(notebook)
    return notebook


def run(notebook: Notebook) -> None:
    """Run the notebook's cells and wait for the explorer."""
    notebook.run_all(wait=False)
    wait_for_explorer(notebook.page)


def wait_for_explorer(page: Page) -> None:
    """Wait until sliders, count and map stand on the page."""
    page.wait_for_selector(".nv-explorer [data-knob=n_layers]", timeout=30 * SECOND)
    page.wait_for_function("() => /left/.test(document.querySelector('.nv-note')?.textContent)")
    page.wait_for_selector(".nv-explorer canvas", timeout=30 * SECOND)


def drag_slider(page: Page, knob: str, spoken: str, share: float) -> None:
    """Drag a slider's thumb with the mouse to a share of its track."""
    thumb = page.get_by_role("slider", name=spoken, exact=True)
    thumb.scroll_into_view_if_needed()
    track = page.locator(f".nv-space [data-knob={knob}] .nv-track").bounding_box()
    place = float(thumb.evaluate("each => each.value / each.max"))
    assert track is not None
    y = track["y"] + track["height"] / 2
    page.mouse.move(track["x"] + place * track["width"], y)
    page.mouse.down()
    for step in range(1, 9):
        at = place + (share - place) * step / 8
        page.mouse.move(track["x"] + at * track["width"], y)
    page.mouse.up()


def tap_the_cloud(notebook: Notebook) -> None:
    """Click on the map where a sampled candidate lies, found from the map's own canvas."""
    page = notebook.page
    canvas = page.locator(".nv-middle canvas").first.bounding_box()
    assert canvas is not None
    before = notebook.evaluate("explorer.selection.digest")
    for across in (0.35, 0.45, 0.55, 0.65):
        for down in (0.5, 0.6, 0.7):
            page.mouse.click(
                canvas["x"] + across * canvas["width"], canvas["y"] + down * canvas["height"]
            )
            page.wait_for_timeout(400)
            if notebook.evaluate("explorer.selection.digest") != before:
                return
    raise AssertionError("no tap on the cloud picked a candidate")


def type_into(page: Page, knob: str, text: str) -> None:
    """Type into a field of the tab in front, and press Enter."""
    field = page.locator(f".nv-tabs [data-knob={knob}] input:visible")
    field.fill(text)
    field.press("Enter")


def open_tab(page: Page, name: str) -> None:
    """Bring one of the tabs to the front."""
    page.locator(f".nv-tabs .lm-TabBar-tab:has-text('{name}')").click()


def marks(notebook: Notebook) -> list[str]:
    """Return the kinds of the trials' marks on the map."""
    drawn = notebook.evaluate("explorer._map_panel.map.marks")
    return [each["kind"] for each in drawn if each["id"].startswith("trial-")]


def overflowing(page: Page) -> list[str]:
    """Return the parts of the explorer that are wider than the place they have."""
    found: list[str] = page.evaluate(
        """() => {
          const root = document.querySelector('.nv-explorer');
          const right = root.getBoundingClientRect().right + 1;
          return [...root.querySelectorAll('.nv-column, .nv-row, .nv-kv, .nv-note, .nv-pill')]
            .filter((each) => each.offsetParent && (each.getBoundingClientRect().right > right
              || each.scrollWidth > each.clientWidth + 1))
            .map((each) => `${each.className}: ${each.textContent.slice(0, 60)}`);
        }"""
    )
    return found
