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
from playwright.sync_api import Page

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.study import queue

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
    notebook.execute("import time; time.sleep(6)", wait=False)
    page.wait_for_timeout(300)
    drag_slider(page, "n_layers", "Layers, to", 0.3)
    page.wait_for_function(
        "whole => document.querySelector('.nv-middle').innerText !== whole",
        arg=whole,
        timeout=3 * SECOND,
    )


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
    page.wait_for_selector(f".nv-card-title:text-is('{title}')")
    notebook.execute(f"explorer.selection = {TINY}")
    page.wait_for_selector(".nv-card-title:text-is('1 layer × 64 wide')")
    page.get_by_role("button", name="undo").click()
    page.wait_for_selector(f".nv-card-title:text-is('{title}')")


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
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
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


HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def filled_study(tmp_path: Path) -> str:
    """Return a study of trials in several states, one of them with a long and hostile reason."""
    url = str(tmp_path / "filled.db")
    study = Study.open(url)
    for number in range(6):
        architecture = Architecture(1 + number, 64 + 32 * number, 2, 256 << number % 4, 64)
        study.add(Candidate(architecture), TrainingPlan(tokens=200_000))
        if number == 5:
            break
        queue.claim(study, worker=0)
        if number == 3:
            queue.fail(
                study, number, f"out of memory: {HOSTILE} the batch of 64 needs 13.2 GB " * 3
            )
            continue
        rows = [
            {"step": step, "n_steps": 130, "tokens": 1_536 * step, "loss": 5.5 / step**0.2,
             "bits_per_byte": None, "tokens_per_s": 9e3, "eta_s": 0.0, "memory_bytes": 4e8,
             "seconds": step / 6}
            for step in range(1, 131)
        ]  # fmt: skip
        study.report(number, rows)
        queue.complete(study, number, {
            "bits_per_byte": 2.9 - 0.12 * number, "search_bits_per_byte": 2.9 - 0.1 * number,
            "accuracy": 0.4 + 0.02 * number, "tokens": 199_680, "seconds": 21.5 + number,
            "parameters": 120_000 * (number + 1), "perplexity": 7.0, "bytes": 199_680,
            "samples": [{"prompt": "def ", "text": f"{HOSTILE}\n    return None"}],
        })  # fmt: skip
    study.close()
    return url


@pytest.mark.parametrize(
    ("theme", "width"),
    [("light", 1000), ("light", 1600), ("dark", 1000), ("dark", 1600), ("light", 1900)],
)
def test_every_tab_fits_in_either_theme_and_width(
    open_notebook: Open, filled_study: str, screenshots: Path, theme: str, width: int
) -> None:
    notebook = explore(open_notebook, "python", filled_study, width=width, height=1250)
    page = notebook.page
    page.on("dialog", lambda dialog: pytest.fail(f"foreign text ran: {dialog.message}"))
    notebook.theme(theme)
    page.wait_for_selector(".nv-pill:has-text('4 trained')")
    page.wait_for_selector(".nv-pill:has-text('1 failed')")
    notebook.execute(
        "explorer.state.watched = 2; explorer.selection = explorer.trials[2].candidate"
    )
    page.screenshot(path=screenshots / f"explorer-top-{theme}-{width}.png")
    for tab in ("Training", "Search", "Trials"):
        open_tab(page, tab)
        page.wait_for_timeout(900)
        page.locator(".nv-tabs").evaluate("each => each.scrollIntoView({ block: 'end' })")
        page.wait_for_timeout(300)
        page.screenshot(path=screenshots / f"explorer-{tab.lower()}-{theme}-{width}.png")
        assert overflowing(page) == []
    assert page.locator(".nv-explorer img").count() == 0
    assert notebook.errors == []


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
