"""`nasviz lab` in a fresh folder, as the README says: the address it prints opens the explorer."""

from __future__ import annotations

import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from explorer_page import drag_slider, wait_for_explorer
from lab import SECOND
from playwright.sync_api import Browser, expect
from servers import free_port, installed, running

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PRINTED = re.compile(r"https?://(?:127\.0\.0\.1|localhost):\d+/lab\S*\?token=\w+")


@dataclass(frozen=True)
class Printed:
    """A running `nasviz lab`: the folder it was called in and the address that it printed."""

    folder: Path
    url: str

    @property
    def without_token(self) -> str:
        return self.url.partition("?")[0]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printed]:
    """Run `nasviz lab --no-browser --port N` in an empty folder, with Jupyter's settings empty."""
    folder, home = tmp_path_factory.mktemp("fresh"), tmp_path_factory.mktemp("home")
    port = free_port()
    settings = {
        f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")
    }
    command = [installed("nasviz"), "lab", "--no-browser", "--port", str(port)]
    log = home / "output"
    api = f"http://127.0.0.1:{port}/api/status"
    with running(command, api, log, {**os.environ, **settings}, folder):
        yield Printed(folder, printed_address(log))


def printed_address(log: Path) -> str:
    deadline = time.monotonic() + 20
    while (found := PRINTED.search(log.read_text())) is None:
        assert time.monotonic() < deadline, f"no address in:\n{log.read_text()}"
        time.sleep(0.1)
    return found.group()


def test_the_printed_address_opens_the_explorer_and_a_slider_moves_its_map(
    printed: Printed, browser: Browser, screenshots: Path
) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.goto(printed.url)
    page.wait_for_selector(".nv-explorer", timeout=60 * SECOND)
    wait_for_explorer(page)
    expect(page.locator("#filebrowser")).not_to_be_visible()  # its room is the explorer's
    area = page.locator(".nasviz-map-area")
    count = page.locator(".nasviz-map-count")
    expect(count).to_have_text(re.compile(r"^20,000 candidates"))
    painted = int(area.get_attribute("data-paints") or 0)
    page.screenshot(path=screenshots / "lab-command.png")
    drag_slider(page, "n_layers", "Layers, to", 0.3)
    expect(count).to_have_text(re.compile(r"\d of 20,000 candidates"))
    expect(area).not_to_have_attribute("data-paints", str(painted))
    page.screenshot(path=screenshots / "lab-command-dragged.png")
    context.close()


def test_without_its_token_the_server_refuses(printed: Printed, browser: Browser) -> None:
    base = printed.without_token.partition("/lab")[0]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{base}/api/contents", timeout=20)
    assert refused.value.code == 403
    page = browser.new_page()
    page.goto(printed.without_token)
    expect(page.get_by_label("Password or token:")).to_be_visible()
    assert page.locator(".jp-NotebookPanel").count() == 0
    page.close()
