"""The explorer in a real JupyterLab: the road from a slider to trained trials, and back again."""

from __future__ import annotations

from pathlib import Path

import pytest
from explorer_page import (
    TINY,
    Open,
    drag_slider,
    explore,
    marks,
    open_tab,
    run,
    tap_the_cloud,
    type_into,
    wait_for_explorer,
)
from lab import SECOND
from playwright.sync_api import expect
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_a_dragged_slider_narrows_the_space_the_map_and_python(
    open_notebook: Open, corpus: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, str(tmp_path / "study.db"))
    page = notebook.page
    before = page.locator(".nv-space .nv-note").inner_text()
    drag_slider(page, "n_layers", "Layers, to", 0.3)
    notebook.eventually("list(explorer.ranges['n_layers'])", [1, 3])
    page.wait_for_function(
        "before => document.querySelector('.nv-space .nv-note').innerText !== before", arg=before
    )
    notebook.eventually("int(explorer.state.sample.table['n_layers'][-10_000:].max())", 3)
    page.get_by_role("button", name="widen all").click()
    notebook.eventually("list(explorer.ranges['n_layers'])", [1, 8])
    assert notebook.errors == []


def test_a_slider_moves_the_map_while_the_kernel_is_busy(
    open_notebook: Open, corpus: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, str(tmp_path / "study.db"))
    page = notebook.page
    page.wait_for_timeout(1 * SECOND)
    whole = page.locator(".nv-middle").inner_text()
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    notebook.execute(
        f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); "
        f"time.sleep(10); pathlib.Path({str(ended)!r}).touch()",
        wait=False,
    )
    eventually(begun.exists, "the kernel is busy", seconds=5)
    drag_slider(page, "n_layers", "Layers, to", 0.3)
    page.wait_for_function(
        "whole => document.querySelector('.nv-middle').innerText !== whole",
        arg=whole,
        timeout=5 * SECOND,
    )
    # the page's own word for the kernel also says "idle" after a message on another channel
    assert not ended.exists()


def test_sliders_answer_to_arrow_keys_and_say_their_names(
    open_notebook: Open, corpus: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, str(tmp_path / "study.db"))
    thumb = notebook.page.get_by_role("slider", name="Layers, from", exact=True)
    thumb.focus()
    thumb.press("ArrowRight")
    thumb.press("ArrowRight")
    notebook.eventually("list(explorer.ranges['n_layers'])", [3, 8])
    unnamed = notebook.page.evaluate(
        "() => [...document.querySelectorAll('.nv-explorer input, .nv-explorer select')]"
        ".filter(each => !each.ariaLabel && !each.closest('label')).length"
    )
    assert unnamed == 0


def test_a_tap_on_the_map_fills_the_card_and_python_can_write_it(
    open_notebook: Open, corpus: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, str(tmp_path / "study.db"))
    page = notebook.page
    notebook.eventually("explorer.selection is not None", True)
    first = notebook.evaluate("explorer.selection.digest")
    tap_the_cloud(notebook)
    notebook.eventually(f"explorer.selection.digest != {first!r}", True)
    title = notebook.evaluate("explorer.selection.architecture.title")
    shown = page.locator(".nv-card-title")
    expect(shown).to_have_text(title)
    notebook.execute(f"explorer.selection = {TINY}")
    expect(shown).to_have_text("1 layer × 64 wide")
    page.get_by_role("button", name="undo").click()
    expect(shown).to_have_text(title)
    assert notebook.evaluate("explorer.selection.architecture.title") == title


def test_a_size_is_edited_on_the_card_and_heads_follow(
    open_notebook: Open, corpus: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, str(tmp_path / "study.db"))
    notebook.eventually("explorer.selection is not None", True)
    notebook.execute(
        "explorer.selection = nasviz.Architecture(n_layers=2, d_model=192, n_heads=6, "
        "vocab_size=256, context_length=64)"
    )
    layers = notebook.page.locator(".nv-card [data-knob=n_layers] input")
    layers.focus()
    layers.press("ArrowRight")
    notebook.eventually("explorer.selection.architecture.n_layers", 3)
    width = notebook.page.locator(".nv-card [data-knob=d_model] input")
    width.focus()
    width.press("ArrowLeft")  # 176 is not divided by 6
    notebook.eventually("explorer.selection.architecture.d_model", 176)
    heads = notebook.evaluate("explorer.selection.architecture.n_heads")
    assert 176 % heads == 0
    notebook.page.wait_for_selector(".nv-card [data-knob=n_heads] .nv-error:not(:empty)")


def test_train_search_reload_restart_and_the_trials_are_found_again(
    open_notebook: Open, corpus: str, tmp_path: Path, screenshots: Path
) -> None:
    study = str(tmp_path / "study.db")
    notebook = explore(open_notebook, corpus, study, width=1600, height=1200)
    page = notebook.page
    notebook.eventually("explorer.selection is not None", True)
    notebook.execute(f"explorer.selection = {TINY}")
    page.wait_for_selector(".nv-card-title:text-is('1 layer × 64 wide')")
    type_into(page, "amount", "20000")
    notebook.eventually("explorer.state.plan.tokens", 20_000)

    page.locator(".nv-card").get_by_role("button", name="Train this").click()
    done = "[[each.state for each in explorer.trials], explorer.state.problem]"
    notebook.eventually(done, [["complete"], ""], seconds=120)
    page.wait_for_selector(".nv-card .nv-tag-trained:text-is('trial 0')")
    assert marks(notebook) == ["trained"]
    page.wait_for_timeout(1 * SECOND)
    page.screenshot(path=screenshots / "explorer-trained.png")

    open_tab(page, "Trials")
    page.wait_for_selector(".nv-table tr[data-row='0']")

    drag_slider(page, "n_layers", "Layers, to", 0.1)
    drag_slider(page, "context_length", "Context, to", 0.0)
    drag_slider(page, "vocab_size", "Vocabulary, to", 0.0)
    open_tab(page, "Search")
    type_into(page, "trials", "3")
    type_into(page, "tokens", "10000")
    page.get_by_role("button", name="Start search").click()
    notebook.eventually("explorer.state.search is not None", True, seconds=60)
    notebook.eventually("explorer.state.searching", False, seconds=180)
    notebook.eventually(done, [["complete"] * 4, ""])
    page.wait_for_timeout(1 * SECOND)
    page.screenshot(path=screenshots / "explorer-searched.png")

    notebook.reload()
    wait_for_explorer(page)
    page.wait_for_selector(".nv-pill:has-text('4 trained')")

    notebook.save()
    notebook.restart_kernel()
    page.wait_for_selector(".nv-explorer.nv-lost")
    page.wait_for_timeout(2 * SECOND)
    run(notebook)
    page.wait_for_selector(".nv-pill:has-text('4 trained')", timeout=30 * SECOND)
    open_tab(page, "Trials")
    page.wait_for_selector(".nv-table tr[data-row='3']")
    assert sorted(marks(notebook)) == ["trained"] * 4
    assert notebook.errors == []


def test_a_trial_is_paused_resumed_and_cancelled_and_two_are_compared(
    open_notebook: Open, corpus: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, str(tmp_path / "study.db"))
    page = notebook.page
    latest = "': '.join([explorer.trials[-1].state, explorer.trials[-1].reason]).strip(': ')"
    notebook.eventually("explorer.selection is not None", True)
    for n_layers in (1, 2):
        notebook.execute(
            f"explorer.selection = nasviz.Architecture({n_layers}, 64, 1, 256, 64)\n"
            "explorer.state.plan = explorer.state.plan.with_(tokens=20_000_000)"
        )
        page.locator(".nv-tabs").get_by_role("button", name="Train this").click()
        notebook.eventually("len(explorer.trials)", n_layers)
        notebook.eventually(latest, "running", 60)
        page.wait_for_selector(".nv-tabs .nv-progress")
        page.get_by_role("button", name="Pause").click()
        notebook.eventually(latest, "paused", 20)
        page.get_by_role("button", name="Resume").click()
        notebook.eventually(latest, "running", 20)
        page.get_by_role("button", name="Cancel").click()
        notebook.eventually(latest, "cancelled: cancelled by the user", 20)
    open_tab(page, "Trials")
    page.get_by_role("checkbox", name="Compare row 0").check()
    page.get_by_role("checkbox", name="Compare row 1").check()
    compared = page.locator(".nv-tall table:has(th:text-is('trial 1'))")
    compared.wait_for()
    assert compared.locator("td").first.inner_text() == "layers"
    page.locator("tr[data-row='0']").click()
    notebook.eventually("explorer.selection.architecture.n_layers", 1)


def test_a_cell_that_runs_again_closes_its_explorer(
    open_notebook: Open, corpus: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, str(tmp_path / "study.db"))
    notebook.execute("import ipywidgets; kept = explorer")
    run(notebook)
    notebook.eventually("kept.view.comm is None", True)
    assert notebook.page.locator(".nv-explorer").count() == 1


def test_a_dead_kernel_is_said_and_the_picture_stays_in_the_notebook(
    open_notebook: Open, corpus: str, tmp_path: Path
) -> None:
    notebook = explore(open_notebook, corpus, str(tmp_path / "study.db"))
    page = notebook.page
    page.wait_for_timeout(4 * SECOND)  # the picture is drawn when the map is at rest
    saved = notebook.save().read_text()
    assert "nasviz-still" in saved
    assert "data:image/svg+xml" in saved
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.wait_for_selector(".nv-explorer.nv-lost", timeout=20 * SECOND)
    banner = page.evaluate(
        "() => getComputedStyle(document.querySelector('.nv-explorer'), '::before').content"
    )
    assert "kernel has stopped" in banner
