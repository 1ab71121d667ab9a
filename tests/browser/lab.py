"""A real JupyterLab in a real Chromium, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from playwright.sync_api import Browser, Page, sync_playwright
from servers import free_port, running

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
SECOND = 1_000  # Playwright counts in milliseconds


def chromium_path() -> str | None:
    """Return the Chromium to drive: NASVIZ_CHROMIUM, one on the path, or None for Playwright's."""
    named = os.environ.get("NASVIZ_CHROMIUM")
    if named:
        return named
    found = (shutil.which(name) for name in CHROMIUMS)
    return next((path for path in found if path), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; where there is none, that is a failure of the test, not a skip."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=list(CHROMIUM_FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its secret and the folder it serves."""

    url: str
    token: str
    root: Path
    runtime: Path

    def get(self, path: str) -> Any:
        """Return the server's JSON answer at `path`."""
        request = urllib.request.Request(
            f"{self.url}{path}", headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@contextmanager
def running_lab(folder: Path, *arguments: str) -> Iterator[Lab]:
    """Start JupyterLab on a free port in `folder`, with settings and runtime of its own."""
    root, runtime = folder / "root", folder / "runtime"
    for each in (root, runtime, folder / "config", folder / "data", folder / "settings"):
        each.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(16)
    port = free_port()
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "PYTHONUNBUFFERED": "1",
        "NASVIZ_WORKER_IDLE_S": "60",  # workers outlive their notebooks, here by a minute
    }
    _quiet_settings(folder / "settings")
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly",
        *arguments,
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/api/status", folder / "server.log", environment):
        yield Lab(url, token, root, runtime)


def _quiet_settings(folder: Path) -> None:
    plugin = folder / "@jupyterlab" / "apputils-extension"
    plugin.mkdir(parents=True, exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (plugin / "notification.jupyterlab-settings").write_text(json.dumps(quiet))


class Notebook:
    """One notebook open in a page, and the kernel behind it."""

    def __init__(self, lab: Lab, page: Page, name: str) -> None:
        self.lab = lab
        self.page = page
        self.name = name
        self.errors: list[str] = []
        self._client: BlockingKernelClient | None = None
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @classmethod
    def create(cls, lab: Lab, page: Page, cells: list[str], name: str) -> Notebook:
        """Write a notebook with these code cells and open it; its kernel starts."""
        written = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(written, lab.root / name)
        notebook = cls(lab, page, name)
        notebook.open()
        return notebook

    def open(self) -> None:
        """Open the notebook in the page (again: this is a reload) and wait for its kernel."""
        workspace = f"auto-{secrets.token_hex(3)}"
        self.page.goto(
            f"{self.lab.url}/lab/workspaces/{workspace}/tree/{self.name}?token={self.lab.token}"
        )
        self._wait_for_notebook()

    def reload(self) -> None:
        """Save the notebook and reload the page, as a reader does."""
        self.save()
        self.page.reload()
        self._wait_for_notebook()

    def _wait_for_notebook(self) -> None:
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60 * SECOND)
        self.page.wait_for_function(
            """() => {
              const panel = window.jupyterapp?.shell.currentWidget;
              const kernel = panel?.sessionContext?.session?.kernel;
              return kernel && ["idle", "busy"].includes(kernel.status);
            }""",
            timeout=60 * SECOND,
        )

    def command(self, name: str, **arguments: Any) -> None:
        """Run one of JupyterLab's commands."""
        self.page.evaluate(
            "([name, args]) => { void window.jupyterapp.commands.execute(name, args); }",
            [name, arguments],
        )

    def run_all(self, wait: bool = True) -> None:
        """Run every cell; with `wait`, until the kernel is idle again."""
        self.command("notebook:run-all-cells")
        if wait:
            ended = self.page.wait_for_function(
                """() => {
                  const panel = window.jupyterapp.shell.currentWidget;
                  const cells = [...panel.content.widgets].filter((c) => c.model.type === "code");
                  const outputs = cells.flatMap((c) => c.model.outputs.toJSON());
                  const error = outputs.find((each) => each.output_type === "error");
                  if (error) return error.traceback.join("\\n");
                  return cells.every((c) => c.model.executionCount !== null)
                    && panel.sessionContext.session.kernel.status === "idle";
                }""",
                timeout=120 * SECOND,
            ).json_value()
            if ended is not True:
                raise AssertionError(f"a cell of {self.name} failed:\n{ended}")

    def theme(self, name: str) -> None:
        """Switch JupyterLab to the "light" or the "dark" theme."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name.capitalize()}")
        light = "true" if name == "light" else "false"
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")

    def save(self) -> Path:
        """Save the notebook and return its file."""
        path = self.lab.root / self.name
        before = path.stat().st_mtime_ns
        self.command("docmanager:save")
        deadline = time.monotonic() + 20
        while path.stat().st_mtime_ns == before or not _is_whole(path):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} was not saved")
            time.sleep(0.05)
        return path

    @property
    def kernel_id(self) -> str:
        """The id of the kernel that serves this notebook now."""
        sessions = self.lab.get("/api/sessions")
        found = [each["kernel"]["id"] for each in sessions if each["path"] == self.name]
        return str(found[0])

    def kernel(self) -> BlockingKernelClient:
        """Return a client of the notebook's kernel, beside the page's own."""
        if self._client is None:
            client = BlockingKernelClient()
            client.load_connection_file(str(self.lab.runtime / f"kernel-{self.kernel_id}.json"))
            client.start_channels()
            client.wait_for_ready(timeout=60)
            self._client = client
        return self._client

    def evaluate(self, expression: str) -> Any:
        """Return what a Python expression is worth in the notebook's kernel (by JSON)."""
        reply = self.kernel().execute_interactive(
            "import json as _json",
            user_expressions={"value": f"_json.dumps({expression})"},
            silent=True,
            store_history=False,
            timeout=60,
        )
        value = reply["content"]["user_expressions"]["value"]
        if value["status"] != "ok":
            raise RuntimeError("\n".join(value["traceback"]))
        return json.loads(eval(value["data"]["text/plain"]))

    def execute(self, code: str, wait: bool = True) -> None:
        """Run code in the notebook's kernel without a cell; raises what it raises."""
        if not wait:
            self.kernel().execute(code, silent=True, store_history=False)
            return
        reply = self.kernel().execute_interactive(
            code, silent=True, store_history=False, timeout=60, output_hook=lambda _message: None
        )
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"]["traceback"]))

    def eventually(self, expression: str, expected: Any, seconds: float = 10) -> None:
        """Wait until a Python expression in the kernel is worth `expected`."""
        deadline = time.monotonic() + seconds
        value = self.evaluate(expression)
        while value != expected:
            if time.monotonic() > deadline:
                raise AssertionError(f"{expression} is {value!r}, not {expected!r}")
            time.sleep(0.1)
            value = self.evaluate(expression)

    def restart_kernel(self) -> None:
        """Restart the kernel as the page's own button does; what asks it next connects anew."""
        self._let_go()
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )

    def _let_go(self) -> None:
        if self._client is not None:
            self._client.stop_channels()
            self._client = None

    def close(self) -> None:
        """Let go of the kernel's channels and shut the kernel down."""
        self._let_go()
        for session in self.lab.get("/api/sessions"):
            if session["path"] == self.name:
                request = urllib.request.Request(
                    f"{self.lab.url}/api/sessions/{session['id']}",
                    headers={"Authorization": f"token {self.lab.token}"},
                    method="DELETE",
                )
                urllib.request.urlopen(request, timeout=20).close()


def _is_whole(path: Path) -> bool:
    """Whether a JSON file is written to its end; the server empties it first."""
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True
