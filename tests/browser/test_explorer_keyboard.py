"""The explorer without a mouse: Tab reaches everything, focus is seen, arrows move things."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from explorer_page import Open, explore, open_tab
from lab import SECOND, Notebook
from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

from nasviz import Architecture, Candidate, Study

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ZONES = ("nv-header", "nv-space", "nv-middle", "nv-card", "nv-tabs")
MARGIN = 8  # pixels around a control in which its focus may be drawn

# What a person who can't point may want to reach: everything enabled, and nothing that is hidden.
REACHABLE = """() => {
  const root = document.querySelector('.nv-explorer');
  const all = root.querySelectorAll('input, select, button, summary, a[href], [tabindex="0"]');
  const seen = (each) => each.checkVisibility({ visibilityProperty: true }) && !each.disabled
    && each.getClientRects().length;
  return [...all].filter(seen).map((each, at) => (each.dataset.stop = `${at}`));
}"""

FOCUSED = """([zones, margin]) => {
  const at = document.activeElement;
  const inner = at.shadowRoot?.activeElement;
  const box = at.getBoundingClientRect();
  const name = at.ariaLabel || at.closest('label')?.innerText || at.innerText || at.title;
  return {
    stop: at.dataset.stop ?? '',
    zone: zones.find((each) => at.closest(`.nv-explorer .${each}`)) ?? '',
    name: inner ? '' : name,
    around: {
      x: Math.floor(box.x) - margin, y: Math.floor(box.y) - margin,
      width: Math.ceil(box.width) + 2 * margin, height: Math.ceil(box.height) + 2 * margin,
    },
  };
}"""

# A picture taken in the middle of a transition would show half a ring.
AT_ONCE = (
    "*, input::-webkit-slider-thumb { transition: none !important; caret-color: transparent; }"
)


@dataclass(frozen=True)
class Stop:
    """A control at which Tab stopped: its place in the page's order, its zone, its spoken name."""

    stop: str
    zone: str
    name: str
    around: dict[str, int]  # where on the page its focus may be drawn: x, y, width, height
    seen: Image.Image  # how that looked


@pytest.fixture(scope="module")
def notebook(open_for_all: Open, corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    """An explorer of a study with three trials, on a page so tall that nothing scrolls."""
    study = Study.open(tmp_path_factory.mktemp("keyboard") / "study.db")
    for n_layers in (1, 2, 3):
        trial = study.add(Candidate(Architecture(n_layers, 64, 2, 256, 64)))
        study.request(trial.number, "cancel")
    opened = explore(open_for_all, corpus, study.url, width=1600, height=1800)
    study.close()
    opened.eventually("explorer.selection is not None", True)
    opened.page.add_style_tag(content=AT_ONCE)
    opened.page.wait_for_timeout(1 * SECOND)
    return opened


@pytest.fixture
def page(notebook: Notebook) -> Page:
    return notebook.page


def picture(page: Page, **options: Any) -> Image.Image:
    return Image.open(BytesIO(page.screenshot(**options))).convert("RGB")


def focused(page: Page) -> dict[str, Any]:
    said: dict[str, Any] = page.evaluate(FOCUSED, [list(ZONES), MARGIN])
    return said


def tab_into_the_explorer(page: Page) -> None:
    """Press Tab from the notebook's cell until the focus is inside the explorer."""
    page.locator(".jp-Notebook .jp-InputPrompt").first.click()
    for _ in range(12):
        page.keyboard.press("Tab")
        if focused(page)["zone"]:
            return
    raise AssertionError(f"Tab does not lead into the explorer, but to {focused(page)}")


@pytest.fixture(scope="module")
def walk(notebook: Notebook) -> tuple[list[str], list[Stop], Image.Image]:
    """Tab through the whole explorer; return what should be met, what was, and the page at rest."""
    page = notebook.page
    wanted = page.evaluate(REACHABLE)
    at_rest = picture(page)
    tab_into_the_explorer(page)
    stops: list[Stop] = []
    while (said := focused(page))["zone"] and len(stops) < 2 * len(wanted):
        stops.append(Stop(**said, seen=picture(page, clip=said["around"])))
        page.keyboard.press("Tab")
    return wanted, stops, at_rest


Walk = tuple[list[str], list[Stop], Image.Image]


def test_tab_stops_once_at_every_control_from_the_header_to_the_tabs(walk: Walk) -> None:
    wanted, stops, _ = walk
    assert [each.stop for each in stops] == wanted
    zones = list(dict.fromkeys(each.zone for each in stops))
    assert zones == list(ZONES)
    assert [each.zone for each in stops] == sorted((each.zone for each in stops), key=ZONES.index)


def test_every_stop_has_a_name_to_be_spoken(walk: Walk) -> None:
    assert [each for each in walk[1] if not each.name.strip()] == []


def test_the_focus_is_seen_at_every_stop(walk: Walk) -> None:
    _, stops, at_rest = walk
    unseen = []
    for each in stops:
        x, y, width, height = each.around.values()
        before = at_rest.crop((x, y, x + width, y + height))
        change = ImageChops.difference(each.seen, before).convert("L")
        if sum(change.histogram()[48:]) < 40:  # pixels that clearly changed
            unseen.append(each.name)
    assert unseen == []


def test_arrow_keys_move_a_slider_and_pick_candidates_on_the_map(
    notebook: Notebook, page: Page
) -> None:
    page.get_by_role("slider", name="Layers, to").focus()
    page.keyboard.press("ArrowLeft")
    notebook.eventually("list(explorer.ranges['n_layers'])", [1, 7])
    page.keyboard.press("End")
    notebook.eventually("list(explorer.ranges['n_layers'])", [1, 8])

    page.locator(".nasviz-map-area").focus()
    seen = [notebook.evaluate("explorer.selection.digest")]
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
        notebook.eventually(f"explorer.selection.digest != {seen[-1]!r}", True)
        seen.append(notebook.evaluate("explorer.selection.digest"))
    title = notebook.evaluate("explorer.selection.architecture.title")
    expect(page.locator(".nv-card-title")).to_have_text(title)
    assert all(before != after for before, after in pairwise(seen))


def test_arrow_keys_go_from_tab_to_tab(page: Page) -> None:
    page.get_by_role("tab", name="Training").focus()
    for _ in range(3):  # past Dynamic and Compression
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start search")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start search")).not_to_be_visible()


def test_a_row_of_the_trials_is_reached_ticked_and_picked(notebook: Notebook, page: Page) -> None:
    open_tab(page, "Trials")
    row = page.locator(".nv-table tr[data-row='1']")
    head = page.locator(".nv-table th:has-text('trial')")
    head.focus()
    page.keyboard.press("Enter")
    expect(head).to_be_focused()
    expect(head).to_have_attribute("aria-sort", "ascending")
    page.locator(".nv-table tr[data-row='0']").focus()
    page.keyboard.press("ArrowDown")
    expect(row).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(row.get_by_role("checkbox")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    notebook.eventually("explorer.selection.architecture.n_layers", 2)
    expect(row).to_be_focused()
    assert page.locator(".nv-table tbody [tabindex='0']").count() == 2  # this row and its box
