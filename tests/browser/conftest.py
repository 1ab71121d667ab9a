"""One JupyterLab and one Chromium for all browser tests of a run; a page and a kernel a test."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).parent))

from dynamic_study import trained_study
from explorer_page import explore
from lab import Lab, Notebook, chromium, running_lab

SCREENSHOTS = Path(__file__).parent.parent / "screenshots" / "out"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@contextmanager
def notebooks(lab: Lab, browser: Browser) -> Iterator[Callable[..., Notebook]]:
    """Yield a function that opens a notebook with the given cells in a page of its own."""
    opened: list[Notebook] = []

    def open_one(*cells: str, width: int = 1300, height: int = 1000) -> Notebook:
        context = browser.new_context(viewport={"width": width, "height": height})
        name = f"test-{secrets.token_hex(4)}.ipynb"
        notebook = Notebook.create(lab, context.new_page(), list(cells), name)
        opened.append(notebook)
        return notebook

    yield open_one
    for notebook in opened:
        notebook.page.context.close()
        notebook.close()


@pytest.fixture
def open_notebook(lab: Lab, browser: Browser) -> Iterator[Callable[..., Notebook]]:
    """Return a function that opens a notebook, which closes when the test ends."""
    with notebooks(lab, browser) as open_one:
        yield open_one


@pytest.fixture(scope="module")
def open_for_all(lab: Lab, browser: Browser) -> Iterator[Callable[..., Notebook]]:
    """Return a function that opens a notebook for all tests of a file."""
    with notebooks(lab, browser) as open_one:
        yield open_one


@pytest.fixture(scope="session")
def corpus(lab: Lab) -> str:
    """Return a text that a tiny model is trained and scored on in a second or two."""
    path = lab.root / "tiny.txt"
    lines = [
        f"{n} plus {n + 1} makes {2 * n + 1}, and twice {n} is {2 * n}.\n" for n in range(3000)
    ]
    path.write_text("".join(lines))
    return str(path)


@pytest.fixture(scope="session")
def dynamic_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return a study whose trials run dynamically, and the text of them all."""
    return trained_study(tmp_path_factory.mktemp("dynamic"))


@pytest.fixture(scope="module")
def dynamic_notebook(
    open_for_all: Callable[..., Notebook], dynamic_study: tuple[str, str]
) -> Iterator[Notebook]:
    """Return a notebook with that study's explorer; no foreign text may run in it."""
    url, corpus = dynamic_study
    notebook = explore(open_for_all, corpus, url, width=1600, height=1250)
    notebook.page.on("dialog", lambda dialog: pytest.fail(f"foreign text ran: {dialog.message}"))
    notebook.page.wait_for_selector(".nv-pill:has-text('3 trained')")
    yield notebook
    notebook.theme("light")  # the lab keeps it for the tests after these
    assert notebook.errors == []


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Return the folder for pictures that a person looks at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
