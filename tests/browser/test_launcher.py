"""The launcher's tile, clicked in a real JupyterLab."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest
from lab import SECOND, Lab
from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def launcher(lab: Lab, browser: Browser) -> Iterator[Page]:
    """Yield a page that shows JupyterLab's launcher."""
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    page = context.new_page()
    page.goto(f"{lab.url}/lab/workspaces/auto-{secrets.token_hex(3)}?token={lab.token}")
    page.wait_for_selector(".jp-LauncherCard", timeout=60 * SECOND)
    yield page
    context.close()


def test_the_tile_opens_a_new_copy_of_the_explorer_and_runs_it(launcher: Page, lab: Lab) -> None:
    tile = launcher.locator('.jp-LauncherCard[title^="Explore and search"]')
    assert tile.locator("svg").count() == 1, "the tile shows its drawing, not a letter"
    tile.click()
    launcher.wait_for_selector(".jp-NotebookPanel .nv-explorer", timeout=60 * SECOND)
    written = json.loads((lab.root / "00_explorer.ipynb").read_text())
    assert "nasviz.Explorer()" in "".join(written["cells"][1]["source"])


def test_a_notebook_whose_cell_was_changed_does_not_run_by_itself(launcher: Page, lab: Lab) -> None:
    cell = {
        "cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": [],
        "source": "import nasviz\n\nopen('harm', 'w').close()\nexplorer = nasviz.Explorer()",
    }  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / "00_explorer-foreign.ipynb").write_text(json.dumps(notebook))
    launcher.evaluate(
        "() => window.jupyterapp.commands.execute('docmanager:open',"
        " {path: '00_explorer-foreign.ipynb'})"
    )
    launcher.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60 * SECOND)
    launcher.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status"
        " === 'idle'",
        timeout=60 * SECOND,
    )
    launcher.wait_for_timeout(2 * SECOND)
    assert launcher.locator(".jp-OutputArea-output").count() == 0
    assert not (lab.root / "harm").exists()
