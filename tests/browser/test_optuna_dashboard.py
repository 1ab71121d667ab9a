"""`optuna-dashboard` opens a study of real trials: the real server in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import SECOND
from playwright.sync_api import Browser, Page, expect
from servers import free_port, installed, running

import nasviz
from nasviz import Architecture, Candidate, SearchSpace, Study, TrainingPlan
from nasviz.execution.worker import living_worker, stop_worker
from nasviz.study import queue

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COMPLETE = 3  # of the trials below
PLAN = TrainingPlan(tokens=10_000)
REASON = "out of memory: <img src=x onerror='document.title=1'> try a smaller batch"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study of two trials that a search asked for, one trained by hand, a failed, a waiting."""
    folder = tmp_path_factory.mktemp("dashboard")
    corpus = folder / "tiny.txt"
    corpus.write_text("".join(f"{n} and {n + 1} make {2 * n + 1}.\n" for n in range(4000)))
    opened = Study.open(folder / "study.db")
    space = (
        SearchSpace.laptop()
        .narrowed("n_layers", 1, 2)
        .narrowed("d_model", 64, 96)
        .narrowed("vocab_size", 256, 256)
        .narrowed("context_length", 64, 64)
    )
    nasviz.search(
        space, study=opened, strategy="random", trials=2, plan=PLAN, corpus=str(corpus), seed=1
    )
    by_hand = Candidate(Architecture(1, 64, 1, 256, 64))
    nasviz.train(by_hand, PLAN, corpus=str(corpus), study=opened)
    if living_worker(opened) is not None:
        stop_worker(opened, wait_s=90)
    queue.fail(opened, opened.add(by_hand, PLAN, str(corpus)).number, REASON)
    opened.add(by_hand, PLAN, str(corpus))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def dashboard(
    study: Study, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """Yield a page, and have the study's dashboard served to it at its base address."""
    with served(study, tmp_path_factory.mktemp("dashboard") / "server.log") as url:
        context = browser.new_context(viewport={"width": 1400, "height": 1300}, base_url=url)
        yield context.new_page()
        context.close()


@contextmanager
def served(study: Study, log: Path) -> Iterator[str]:
    """Serve the study by `optuna-dashboard` and yield the study's address."""
    address = f"http://127.0.0.1:{free_port()}"
    command = [installed("optuna-dashboard"), study.url, "--port", address.rpartition(":")[2]]
    with running(command, f"{address}/api/studies", log):
        yield f"{address}/dashboard/studies/{study.id}/"


def open_trial(page: Page, number: int) -> None:
    page.goto(f"trials?numbers={number}")
    page.get_by_role("heading", name=f"Trial {number} (").wait_for(timeout=20 * SECOND)


def test_every_trial_is_listed_with_its_state(dashboard: Page, screenshots: Path) -> None:
    open_trial(dashboard, 0)
    listed = dashboard.locator("li, a", has_text="Trial ").all_inner_texts()
    states = [text.split("\n")[1] for text in listed if text.startswith("Trial ")]
    assert states == ["Complete", "Complete", "Complete", "Fail", "Waiting"]
    dashboard.screenshot(path=screenshots / "dashboard-trial.png")


def test_a_searched_trial_shows_its_values_parameters_and_results(
    dashboard: Page, study: Study
) -> None:
    open_trial(dashboard, 0)
    trial = study.trial(0)
    sizes, result = trial.candidate.architecture, trial.result
    text = dashboard.locator("body").inner_text()
    assert f"{result['search_bits_per_byte']}, " in text
    for name in ("n_layers", "d_model", "n_heads", "vocab_size", "context_length"):
        assert f"{name} {getattr(sizes, name)}" in text
    assert f"test_bits_per_byte {result['bits_per_byte']}" in text
    assert f"model_parameters {result['parameters']}" in text
    assert f"training_tokens {result['tokens']}" in text


def test_a_trial_trained_by_hand_says_its_sizes_in_words(dashboard: Page) -> None:
    open_trial(dashboard, 2)
    text = dashboard.locator("body").inner_text()
    assert "model 1 layer × 64 wide, heads 1, vocabulary 256, context 64" in text


def test_a_failed_trial_says_why_in_plain_text(dashboard: Page) -> None:
    open_trial(dashboard, 3)
    expect(dashboard.locator("body")).to_contain_text(REASON)
    assert dashboard.title() != "1"


def test_the_objectives_have_their_names_on_the_front(dashboard: Page, screenshots: Path) -> None:
    dashboard.goto(".")
    for name in ("bits_per_byte", "time_per_output_token_s"):
        dashboard.get_by_role("combobox").get_by_text(name).first.wait_for(timeout=20 * SECOND)
    points = dashboard.locator("#graph-pareto-front .scatterlayer path.point")
    expect(points).to_have_count(COMPLETE, timeout=20 * SECOND)
    dashboard.screenshot(path=screenshots / "dashboard-front.png")
