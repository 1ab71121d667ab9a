"""Compression on the page: parts measured and taken away, both roads, the family on the map."""

from __future__ import annotations

from pathlib import Path

import pytest
from explorer_page import open_tab, overflowing
from lab import SECOND, Notebook
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TAB = "explorer._tabs.compression"
# A child of trial 1 and its twin, as they would be read from the study, and their roads.
FAMILY = """
from dataclasses import replace
from types import MappingProxyType
from nasviz.quality.crossing import Road
from nasviz.space.lineage import Lineage
from nasviz.study.road_curves import BothRoads
parent, shown = explorer.trials[1], explorer.state.study
facts = {"parent_bits_per_byte": 1.4, "unhealed_bits_per_byte": 1.6}
small = nasviz.Candidate(parent.candidate.architecture.with_(n_layers=1))
child = replace(
    parent, number=7, candidate=small, lineage=Lineage(parent_trial=1),
    result=MappingProxyType({**parent.result, "pruned": facts, "observed": {}}),
)
twin = replace(
    child, number=8, lineage=None, proposal=MappingProxyType({"twin_of": 7}),
    result=MappingProxyType({**child.result, "bits_per_byte": child.result["bits_per_byte"] - 0.2}),
)
roads = BothRoads(
    Road.of([2e10, 8e10], [2.4, 1.4]), Road.of([8e10, 9e10, 1e11], [1.8, 1.6, 1.5]),
    Road.of([4e10, 5e10, 6e10], [1.8, 1.6, 1.5]), Road.of([2e10, 9e10, 1e11], [2.6, 1.7, 1.3]), 2,
)
explorer._work.compressing.roads = lambda child, twin, take, failed: take(roads)
explorer.state.study = replace(shown, trials=(*shown.trials, child, twin))
"""


@pytest.fixture
def notebook(dynamic_notebook: Notebook) -> Notebook:
    return dynamic_notebook


@pytest.fixture
def tab(notebook: Notebook) -> Page:
    """Return the page with the trial that kept its exits as the parent."""
    notebook.execute("explorer.selection = explorer.trials[1].candidate")
    open_tab(notebook.page, "Compression")
    notebook.page.wait_for_selector(".nv-mp [data-part]", timeout=20 * SECOND)
    return notebook.page


def test_parts_are_measured_taken_away_priced_and_scored_without_torch_in_the_kernel(
    notebook: Notebook, tab: Page
) -> None:
    tab.get_by_role("button", name="Measure importance").click()
    expect(tab.get_by_role("button", name="Measured", exact=True)).to_be_visible(
        timeout=60 * SECOND
    )
    costs = tab.locator(".nv-compression .nv-beside")
    expect(costs).to_contain_text("100%")
    layer = tab.locator("[data-part=layer-2]")
    layer.click()
    expect(layer).to_have_attribute("aria-pressed", "false")
    expect(costs.locator("tr").nth(1)).not_to_contain_text("100%")
    # Arrows go from part to part, the space bar presses one.
    layer.press("ArrowUp")
    tab.keyboard.press("ArrowRight")
    focused = tab.locator("[data-part=head-1-0]")
    expect(focused).to_be_focused()
    tab.keyboard.press("Space")
    expect(focused).to_have_attribute("aria-pressed", "false")
    expect(focused).to_be_focused()
    notebook.eventually(f"{TAB}.parts.choice.heads[1] == {{1}}", True)
    # Unhealed quality comes by itself, for a pass over this model is quick.
    ways = tab.locator(".nv-roads .nv-ways")
    expect(ways.locator("tr")).to_have_count(4)
    expect(ways).not_to_contain_text("–", timeout=60 * SECOND)
    assert not notebook.evaluate("'torch' in __import__('sys').modules")
    tab.get_by_role("button", name="Keep all").click()
    expect(layer).to_have_attribute("aria-pressed", "true")


def test_a_family_is_drawn_on_the_map_and_its_roads_cross_in_the_tab(
    notebook: Notebook, tab: Page
) -> None:
    notebook.execute(FAMILY)
    legend = tab.locator(".nasviz-map-legend")
    expect(legend).to_contain_text("pruned from")
    expect(legend).to_contain_text("twin from scratch")
    tab.wait_for_selector(".nv-roads canvas", timeout=20 * SECOND)
    expect(tab.locator(".nv-roads")).to_contain_text("from scratch is as good from 93.2")
    notebook.execute("explorer.selection = explorer.trials[0].candidate")
    expect(legend).not_to_contain_text("pruned from")  # another family's arrows are not drawn


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_tab_fits_in_either_theme_and_every_width(
    notebook: Notebook, tab: Page, screenshots: Path, theme: str
) -> None:
    notebook.theme(theme)
    for width in (1300, 1600):
        tab.set_viewport_size({"width": width, "height": 1250})
        tab.wait_for_timeout(700)
        tab.locator(".nv-tabs").evaluate("each => each.scrollIntoView({ block: 'start' })")
        tab.wait_for_timeout(200)
        tab.screenshot(path=screenshots / f"compression-tab-{theme}-{width}.png")
        assert overflowing(tab) == []
