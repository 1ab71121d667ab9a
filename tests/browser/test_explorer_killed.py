"""kill -9 of the browser, the kernel and the worker in mid-trial, with the explorer on the page."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from explorer_page import TINY, Open, explore, marks, open_tab, run, type_into, wait_for_explorer
from lab import CHROMIUM_FLAGS, SECOND, Lab, Notebook, chromium_path
from playwright.sync_api import Browser, expect
from waiting import eventually

from nasviz import Study
from nasviz.execution.worker import living_worker, stop_worker
from nasviz.study.workers import Worker

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SOME_SECONDS = 60_000  # tokens: long enough to be killed in, short enough to be waited for
MINUTES = 20_000_000


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """The study that this file's notebooks open: its worker stays warm from test to test."""
    opened = Study.open(tmp_path_factory.mktemp("killed") / "study.db")
    yield opened
    stop_worker(opened, wait_s=90)
    opened.close()


@pytest.fixture
def doomed(browser: Browser) -> Iterator[Browser]:
    """Yield a browser of the test's own, to be killed."""
    flags = list(CHROMIUM_FLAGS)
    started = browser.browser_type.launch(executable_path=chromium_path(), args=flags)
    yield started
    started.close()


def kill_browser(browser: Browser) -> None:
    """End Chromium's main process by SIGKILL; its other processes leave with it."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    (main,) = [each["id"] for each in processes if each["type"] == "browser"]
    process = psutil.Process(int(main))
    process.kill()
    process.wait(timeout=20)


def steps_of(study: Study, number: int) -> int:
    """Return the latest step that a trial reported, 0 before its first."""
    steps = study.curve(number)["step"]
    return int(steps[-1]) if len(steps) else 0


def living(study: Study) -> Worker:
    worker = living_worker(study)
    assert worker is not None
    return worker


def train(notebook: Notebook, study: Study, tokens: int) -> int:
    """Start a trial from the page and return its number once it reports steps."""
    number = len(study)
    notebook.eventually("explorer.selection is not None", True)
    notebook.execute(f"explorer.selection = {TINY}")
    type_into(notebook.page, "amount", str(tokens))
    notebook.eventually("explorer.state.plan.tokens", tokens)
    notebook.page.locator(".nv-card").get_by_role("button", name="Train this").click()
    eventually(lambda: len(study) > number, "the trial to be stored")
    eventually(lambda: steps_of(study, number), "the trial's first step")
    return number


def test_a_killed_browser_costs_nothing_and_the_next_one_finds_the_trial_on_the_map(
    open_notebook: Open, doomed: Browser, lab: Lab, browser: Browser, corpus: str, study: Study
) -> None:
    def open_doomed(*cells: str) -> Notebook:
        page = doomed.new_page(viewport={"width": 1300, "height": 1000})
        return Notebook.create(lab, page, list(cells), "killed.ipynb")

    notebook = explore(open_doomed, corpus, study.url)
    notebook.save()
    number = train(notebook, study, SOME_SECONDS)
    kill_browser(doomed)
    at_the_kill = steps_of(study, number)
    assert study.trial(number).state == "running"
    eventually(lambda: study.trial(number).state == "complete", "the trial's end")
    assert steps_of(study, number) > at_the_kill

    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    found = Notebook(lab, context.new_page(), "killed.ipynb")
    found.open()
    wait_for_explorer(found.page)  # the kernel lives on: no cell has to run again
    found.page.wait_for_selector(".nv-pill:has-text('1 trained')")
    assert marks(found) == ["trained"]
    assert found.errors == []
    context.close()
    found.close()
    notebook.close()


def test_a_killed_kernel_is_said_and_its_trial_goes_on(
    open_notebook: Open, corpus: str, study: Study
) -> None:
    notebook = explore(open_notebook, corpus, study.url)
    page = notebook.page
    number = train(notebook, study, SOME_SECONDS)
    worker = living(study)
    os.kill(notebook.evaluate("__import__('os').getpid()"), signal.SIGKILL)
    at_the_kill = steps_of(study, number)
    assert study.trial(number).state == "running"
    page.wait_for_selector(".nv-explorer.nv-lost", timeout=20 * SECOND)
    page.get_by_role("button", name="Ok").click(timeout=20 * SECOND)  # JupyterLab says so, too
    run(notebook)
    page.wait_for_selector(".nv-explorer:not(.nv-lost) .nv-tabs .nv-progress")
    eventually(lambda: study.trial(number).state == "complete", "the trial's end")
    assert steps_of(study, number) > at_the_kill
    assert study.trial(number).attempts == 1
    assert living(study).pid == worker.pid


def test_a_killed_worker_is_said_and_killed_again_fails_the_trial_with_its_reason(
    open_notebook: Open, corpus: str, study: Study, screenshots: Path
) -> None:
    notebook = explore(open_notebook, corpus, study.url, width=1600, height=1500)
    page = notebook.page
    number = train(notebook, study, MINUTES)
    os.kill(living(study).pid, signal.SIGKILL)
    expect(page.locator(".nv-waiting")).to_contain_text("The worker was lost")
    page.wait_for_selector(".nv-pill:has-text('worker lost')")
    page.screenshot(path=screenshots / "explorer-worker-lost.png")
    page.get_by_role("button", name="Start a worker").click()
    eventually(lambda: study.trial(number).state == "running", "the second attempt")
    eventually(lambda: study.trial(number).attempts == 2, "the second attempt")
    page.wait_for_selector(".nv-pill:has-text('worker training')")

    os.kill(living(study).pid, signal.SIGKILL)
    page.wait_for_selector(".nv-pill:has-text('1 failed')")
    reason = study.trial(number).reason
    assert reason.startswith("killed: worker ")
    expect(page.locator(".nv-tabs")).to_contain_text(reason)
    open_tab(page, "Trials")
    expect(page.locator(".nv-tabs")).to_contain_text(reason)
    page.screenshot(path=screenshots / "explorer-worker-killed-twice.png")
    assert notebook.errors == []
