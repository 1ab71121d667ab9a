"""Texts on the page: written by a trained model, raced against the static one, replayed."""

from __future__ import annotations

from pathlib import Path

import pytest
from dynamic_study import HOSTILE
from explorer_page import open_tab, overflowing
from lab import SECOND, Notebook
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ORDERS = "explorer._work.authoring._writer._number"


@pytest.fixture
def notebook(dynamic_notebook: Notebook) -> Notebook:
    return dynamic_notebook


def show(notebook: Notebook, trial: int) -> Page:
    """Bring the Dynamic tab to the front with a trial's candidate."""
    notebook.execute(f"explorer.selection = explorer.trials[{trial}].candidate")
    open_tab(notebook.page, "Dynamic")
    expect(notebook.page.locator(".nv-writing .nv-h").first).to_contain_text(f"trial {trial} ·")
    return notebook.page


def press(page: Page, label: str) -> None:
    page.locator(".nv-writing").get_by_role("button", name=label, exact=True).click()


def set_to(page: Page, knob: str, label: str) -> None:
    page.locator(f".nv-writing [data-knob={knob}] select").select_option(label=label)


def carry_out(notebook: Notebook, label: str) -> None:
    """Press a button that has something written, and wait until that has begun and ended."""
    before = notebook.evaluate(ORDERS)
    press(notebook.page, label)
    notebook.eventually(f"{ORDERS} > {before}", True)
    ended(notebook)


def ended(notebook: Notebook) -> None:
    """Wait until nothing is being written any more."""
    expect(notebook.page.get_by_role("button", name="Stop", exact=True)).to_be_disabled(
        timeout=60 * SECOND
    )
    notebook.eventually("explorer._tabs.dynamic.writing._running", False, 60)


def tokens(page: Page) -> Locator:
    """Return the tokens of the text that was written."""
    return page.locator(".nv-writing .nasviz-written [data-token]")


def lane(page: Page, at: int) -> str:
    return page.locator(".nv-lanes .nasviz-written .nasviz-heat-text").nth(at).inner_text()


def test_a_trained_model_writes_by_depth_while_the_kernel_is_free_and_without_torch(
    notebook: Notebook,
) -> None:
    page = show(notebook, 1)
    prompt = page.locator(".nv-writing [data-knob=prompt] input")
    prompt.fill(HOSTILE[:24])
    prompt.press("Enter")
    press(page, "Write")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
    assert notebook.evaluate("6 * 7") == 42  # the process that writes is still starting
    ended(notebook)
    expect(tokens(page)).to_have_count(128)
    mixes = {each.evaluate("e => e.style.getPropertyValue('--mix')") for each in tokens(page).all()}
    assert len(mixes) > 1
    assert page.locator(".nasviz-written :is(script, img)").count() == 0
    expect(page.locator(".nasviz-written-prompt").first).to_have_text(HOSTILE[:24])
    said = page.locator(".nv-writing")
    for part in ("early exit 0.6 · 128 tokens", "a token, estimated", "tokens/s", "of 4 layers"):
        expect(said).to_contain_text(part)
    assert notebook.evaluate("'torch' in __import__('sys').modules") is False


def test_an_unchanged_replay_is_the_same_text_and_a_changed_one_is_marked(
    notebook: Notebook,
) -> None:
    page = show(notebook, 1)
    if tokens(page).count() == 0:
        carry_out(notebook, "Write")
    tokens(page).nth(20).click()
    expect(page.locator(".nv-token")).to_contain_text("From token 21, ")
    carry_out(notebook, "Replay")
    said = page.locator(".nv-below:has(.nv-lanes)")
    expect(said).to_contain_text("Both wrote the same text, token for token.")
    assert lane(page, 0) == lane(page, 1)
    set_to(page, "exits", "after layer 1")
    set_to(page, "window", "the latest 8 tokens")
    carry_out(notebook, "Replay")
    expect(said).to_contain_text("what is underlined differs")
    assert lane(page, 0) != lane(page, 1)
    for part in ("time a token", "energy a token, estimated", "changed: exit after layer 1"):
        expect(said).to_contain_text(part)
    changed = page.locator(".nv-lanes .nasviz-written").nth(1)
    assert changed.locator(".nasviz-kept").count() == 20
    assert changed.locator(".nasviz-parted").count() > 0
    # The arrow keys go from token to token.
    tokens(page).nth(20).click()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".nv-token")).to_contain_text("From token 22, ")


def test_a_race_says_what_guesses_were_worth_and_what_cannot_be_combined_is_refused(
    notebook: Notebook,
) -> None:
    page = show(notebook, 2)
    expect(page.locator(".nv-tabs")).to_contain_text("guesses kept")  # as its trial measured it
    set_to(page, "temperature", "0: the likeliest")
    carry_out(notebook, "Race")
    assert lane(page, 0) == lane(page, 1)
    heads = page.locator(".nv-lanes .nv-pace")
    expect(heads.nth(0)).to_contain_text("tokens/s")
    expect(heads.nth(1)).to_contain_text("of guesses kept")
    expect(heads.nth(1)).to_contain_text("a round")
    carry_out(notebook, "Write")
    tokens(page).nth(3).click()
    set_to(page, "exits", "after layer 1")
    expect(page.locator(".nv-writing .nv-alert")).to_contain_text("checked by all layers")
    expect(page.get_by_role("button", name="Replay", exact=True)).to_be_disabled()
    set_to(page, "temperature", "0.8")


def test_a_long_text_is_stopped_and_what_there_is_stays(notebook: Notebook) -> None:
    page = show(notebook, 1)
    slider = page.locator(".nv-writing").get_by_role("slider", name="Tokens", exact=True)
    slider.focus()
    slider.press("End")
    press(page, "Write")
    expect(tokens(page).first).to_be_visible(timeout=60 * SECOND)
    press(page, "Stop")
    ended(notebook)
    assert 0 < tokens(page).count() < 512
    expect(page.locator(".nv-writing")).to_contain_text("stopped")
    slider.focus()
    for _ in range(2):
        slider.press("ArrowLeft")


def test_a_static_model_writes_and_an_untrained_one_says_what_to_do(notebook: Notebook) -> None:
    page = show(notebook, 0)
    expect(page.get_by_role("button", name="Race", exact=True)).to_be_disabled()
    notebook.execute(
        "explorer.selection = explorer.trials[0].candidate.architecture.with_(n_heads=1)"
    )
    expect(page.locator(".nv-writing")).to_contain_text("Press “Train this” first")
    expect(page.get_by_role("button", name="Write", exact=True)).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_fit_in_either_theme_and_every_width(
    notebook: Notebook, screenshots: Path, theme: str
) -> None:
    notebook.theme(theme)
    page = show(notebook, 1)
    carry_out(notebook, "Write")
    tokens(page).nth(30).click()
    set_to(page, "exits", "by a threshold")
    carry_out(notebook, "Replay")
    for width in (900, 1300, 1600):
        page.set_viewport_size({"width": width, "height": 1250})
        page.wait_for_timeout(700)
        page.locator(".nv-writing").evaluate("each => each.scrollIntoView({ block: 'start' })")
        page.wait_for_timeout(300)
        page.screenshot(path=screenshots / f"what-if-{theme}-{width}.png")
        assert overflowing(page) == []
    carry_out(notebook, "Race")
    page.locator(".nv-lanes").evaluate("each => each.scrollIntoView({ block: 'end' })")
    page.screenshot(path=screenshots / f"race-{theme}.png")
