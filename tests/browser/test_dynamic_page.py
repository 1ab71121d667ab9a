"""Dynamic inference on the page: knobs that search it, and a trained trial's exits to look into."""

from __future__ import annotations

from pathlib import Path

import pytest
from explorer_page import drag_slider, open_tab, overflowing
from lab import SECOND, Notebook
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def notebook(dynamic_notebook: Notebook) -> Notebook:
    return dynamic_notebook


@pytest.fixture
def tab(notebook: Notebook) -> Page:
    """Return the page with the trained trial's exits on show in the Dynamic tab."""
    notebook.execute("explorer.selection = explorer.trials[1].candidate")
    open_tab(notebook.page, "Dynamic")
    notebook.page.wait_for_selector(".nasviz-heat-text [data-token]", timeout=20 * SECOND)
    return notebook.page


def chosen(notebook: Notebook) -> float:
    """Return where the threshold's point stands on the curve's cost axis."""
    figure = "explorer._tabs.dynamic.curve.document.roots[0]"
    parts = f"{{each.name: each for each in {figure}.renderers}}"
    return float(notebook.evaluate(f"float({parts}['chosen'].data_source.data['x'][0])"))


def test_a_knob_puts_an_option_into_the_space_the_map_and_the_code(notebook: Notebook) -> None:
    page = notebook.page
    page.locator(".nv-fold > summary").click()
    row = page.locator("[data-knob=early_exit]")
    row.get_by_role("radio", name="both").click()
    notebook.eventually("explorer.state.space.dimension('early_exit').choices", [False, True])
    notebook.eventually("'early_exit' in explorer.state.sample.table.columns", True)
    drag_slider(page, "'early_exit.threshold'", "Exit threshold, from", 0.5)
    notebook.eventually("explorer.ranges['early_exit.threshold'][0]", 0.5)
    assert notebook.evaluate("'early_exit.threshold' in explorer.to_code()")
    # Candidates without exits stay on the map, whatever the threshold's slider says.
    static = (
        "int((~explorer.state.sample.table['early_exit']).sum()) <= explorer._map_panel.map.n and "
        "bool((~explorer.state.sample.table['early_exit']).any())"
    )
    assert notebook.evaluate(static)
    row.get_by_role("radio", name="off").click()
    notebook.eventually("explorer.state.space == nasviz.SearchSpace.laptop()", True)
    expect(page.locator("[data-knob='early_exit.threshold']")).to_have_count(0)
    page.locator(".nv-fold > summary").click()


def test_a_dynamic_trial_is_ringed_on_the_map_and_its_card_shows_static_and_expected(
    notebook: Notebook, tab: Page
) -> None:
    ringed = "[each['ringed'] for each in explorer._map_panel.map.marks if 'trial' in each['id']]"
    assert notebook.evaluate(ringed) == [False, True, True]
    expect(tab.locator(".nasviz-map-legend")).to_contain_text("dynamic")
    card = tab.locator(".nv-card")
    expect(card.locator(".nv-policy")).to_contain_text("exit threshold 0.6")
    expect(card).to_contain_text("by what trial 1 saw")


def test_the_threshold_s_slider_moves_the_point_and_the_words(
    notebook: Notebook, tab: Page
) -> None:
    thumb = tab.get_by_role("slider", name="Threshold", exact=True)
    before, said = chosen(notebook), tab.locator(".nv-dynamic .nv-note").inner_text()
    thumb.focus()
    for _ in range(25):
        thumb.press("ArrowLeft")
    tab.wait_for_function(
        "said => document.querySelector('.nv-dynamic .nv-note').innerText !== said", arg=said
    )
    assert chosen(notebook) < before


def test_a_target_chooses_on_the_calibration_part_and_the_button_makes_it_the_policy(
    notebook: Notebook, tab: Page
) -> None:
    tab.locator(".nv-tabs [data-knob=target] select").select_option(label="at most +5 %")
    expect(tab.locator(".nv-dynamic .nv-note")).to_contain_text("Chosen on the calibration part")
    tab.get_by_role("button", name="Set as the policy").click()
    shown = "explorer._tabs.dynamic.controls.slider.values['threshold']"
    wanted = round(float(notebook.evaluate(shown)), 6)
    notebook.eventually("explorer.selection.inference.options[0].threshold", wanted)
    expect(tab.locator(".nv-card")).to_contain_text("by what trial 1's exits said of held-out text")
    # The trial's exits stay on show: they answer for the new threshold too.
    notebook.eventually("explorer.state.exits.trial.number", 1)


def test_tokens_that_look_like_markup_are_text_and_say_what_exits_would_have_said(
    tab: Page,
) -> None:
    heat = tab.locator(".nasviz-heat-page > .nasviz-heat-text")
    expect(heat).to_contain_text("<script>alert(1)</script>")
    assert tab.locator(".nasviz-heat :is(script, img)").count() == 0
    token = tab.locator(".nasviz-heat-page [data-token='7']")
    token.click()
    lines = tab.locator(".nasviz-heat-exits > span:not(.nasviz-heat-head)")
    expect(lines).to_have_count(4)
    expect(tab.locator(".nasviz-heat-exits > .here")).to_have_count(1)
    first = heat.inner_text()
    tab.get_by_role("button", name="next").click()
    tab.wait_for_function(
        "first => document.querySelector('.nasviz-heat-text').innerText !== first", arg=first
    )


def test_without_exits_the_tab_says_what_to_do(notebook: Notebook) -> None:
    notebook.execute("explorer.selection = explorer.trials[0].candidate")
    open_tab(notebook.page, "Dynamic")
    empty = notebook.page.locator(".nv-tabs")
    expect(empty).to_contain_text("set “Early exit” to on")
    expect(empty).to_contain_text("Trials tab: 1")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_tab_and_the_panel_fit_in_either_theme_and_every_width(
    notebook: Notebook, tab: Page, screenshots: Path, theme: str
) -> None:
    notebook.theme(theme)
    for width in (1000, 1600, 1900):
        tab.set_viewport_size({"width": width, "height": 1250})
        tab.wait_for_timeout(900)
        tab.locator(".nv-tabs").evaluate("each => each.scrollIntoView({ block: 'end' })")
        tab.wait_for_timeout(300)
        tab.screenshot(path=screenshots / f"dynamic-tab-{theme}-{width}.png")
        assert overflowing(tab) == []
