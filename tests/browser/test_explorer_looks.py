"""The explorer's looks: every tab, both themes, every width, and foreign text that stays text."""

from __future__ import annotations

from pathlib import Path

import pytest
from explorer_page import Open, explore, open_tab, overflowing

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.study import queue

pytestmark = [pytest.mark.slow, pytest.mark.browser]

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
