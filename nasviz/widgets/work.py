"""`Work`: what the explorer has done beside the kernel's own thread.

Sampling, counting, following the study, starting trials and searches: none of it may keep a cell
or a slider waiting. What goes wrong is told in `state.problem`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nasviz.errors import InputError, NasvizError, RunError
from nasviz.study.study import Study
from nasviz.study.trial import Request
from nasviz.widgets.background import LatestJob
from nasviz.widgets.expectation import expectation
from nasviz.widgets.follower import Follower
from nasviz.widgets.sample import (
    count_space,
    draw_sample,
    first_pick,
    recosted,
    requalified,
)
from nasviz.widgets.state import ExplorerState

if TYPE_CHECKING:
    from nasviz.strategies.search_run import SearchRun

SEARCH_LOOK_S = 0.2
GENERATE_S = 120.0
OPEN_S = 30.0
DISPLAYED_S = 0.5  # the longest that work waits for the explorer to be on the page


class Work:
    """Keeps a state's sample, count, prior and study current, and runs errands for the panels."""

    def __init__(self, state: ExplorerState, study: Study | str | os.PathLike[str] | None) -> None:
        self.state = state
        self.study: Study | None = None
        self.displayed = threading.Event()
        self._address = study
        self._follower: Follower | None = None
        self._refining = LatestJob("nasviz-refine", self._failed)
        self._counting = LatestJob("nasviz-count", self._failed)
        self._done = (0, self.state.corpus)
        self._closed = False
        self._later: list[Callable[[], None]] = []
        self._checked: set[str] = set()
        self._search: SearchRun | None = None
        self._is_open = threading.Event()

    def start(self) -> None:
        """Begin once the explorer is on the page: sample first, then the study."""
        self.state.observe(lambda _change: self._refine(), names=["ranges", "limits", "target"])
        self.state.observe(lambda _change: self._recost(), names=["workload", "hardware"])
        self.state.observe(lambda _change: self._expect(), names=["plan", "study", "corpus"])
        self.errand("start", self._begin)

    def once_displayed(self, job: Callable[[], None]) -> None:
        """Have `job` run when the map has its sample; before `start`."""
        self._later.append(job)

    def close(self) -> None:
        """Stop following and refining; trials and workers go on."""
        with self.state.lock:
            self._closed = True
            if self._follower is not None:
                self._follower.close()
        self._refining.close()
        self._counting.close()

    def errand(self, name: str, job: Callable[[], None]) -> None:
        """Run `job` on a thread of its own; an error of ours is told in the state."""

        def run() -> None:
            try:
                job()
            except NasvizError as problem:
                self._failed(problem)

        threading.Thread(target=run, name=f"nasviz-{name}", daemon=True).start()

    def _failed(self, problem: Exception) -> None:
        self.state.problem = str(problem)

    def _begin(self) -> None:
        self.displayed.wait(DISPLAYED_S)
        state = self.state
        with state.lock:
            state.prior = expectation(state.plan, ())
        self._draw()
        if state.selection is None:
            state.select(first_pick(state.sample))
        for job in self._later:
            job()
        self._counting.submit(self._count)
        self._open_study()

    def _open_study(self) -> None:
        given = self._address
        try:
            self.study = given if isinstance(given, Study) else Study.open(given)
        finally:
            self._is_open.set()
        with self.state.lock:
            if not self._closed:
                self._follower = Follower(self.state, self.study)
                self._follower.start()

    # The sample: refined when a slider is released, priced anew for another device.

    def _refine(self) -> None:
        self._refining.submit(self._draw)
        self._counting.submit(self._count)

    def _draw(self) -> None:
        state = self.state
        narrowed = state.narrowed_space()
        asked = (state.workload, state.hardware)
        sample = draw_sample(state.space, narrowed, asked, state.prior)
        with state.lock:
            state.sample = sample

    def _count(self) -> None:
        state = self.state
        state.count = count_space(state.narrowed_space(), state.workload, state.hardware)

    def _recost(self) -> None:
        def job() -> None:
            state = self.state
            if state.sample is not None:
                state.sample = recosted(state.sample, state.workload, state.hardware)

        self._refining.submit(job)
        if self.state.limits:
            self._counting.submit(self._count)

    def _expect(self) -> None:
        """Anchor the prior anew when a trial was completed, or the plan's budget changed."""
        state = self.state
        if state.prior is None:
            return
        done = (state.study.count("complete"), state.corpus)
        if done == self._done and state.prior.plan.budget == state.plan.budget:
            return
        self._done = done

        def job() -> None:
            state.prior = expectation(state.plan, state.study.trials, state.corpus)
            if state.sample is not None:
                state.sample = requalified(state.sample, state.prior)

        self._refining.submit(job)

    # Errands for the panels.

    def train(self) -> None:
        """Have the selection trained under the state's plan; its curve is the one on show."""
        candidate, plan, corpus = self.state.selection, self.state.plan, self.state.corpus
        if candidate is None:
            raise InputError("there is no candidate to train: pick one on the map")

        def job() -> None:
            from nasviz.execution.check import check_corpus
            from nasviz.execution.worker import ensure_worker

            study = self._opened()
            if corpus not in self._checked:
                check_corpus(corpus)
                self._checked.add(corpus)
            trial = study.add(candidate, plan, corpus)
            self.state.watched = trial.number
            self._look()
            ensure_worker(study)
            self._look()

        self.errand("train", job)

    def request(self, number: int, request: Request) -> None:
        """Ask a trial to pause, resume or cancel; one that waits without a worker gets one."""

        def job() -> None:
            from nasviz.execution.worker import ensure_worker

            study = self._opened()
            waits = study.trial(number).state == "waiting"
            if not (request == "resume" and waits):
                study.request(number, request)
            if request == "resume":
                ensure_worker(study)
            self._look()

        self.errand(request, job)

    def generate(self, number: int, prompt: str, show: Callable[[str], None]) -> None:
        """Have a trial's model write on from `prompt`; `show` gets the text, or what went wrong."""

        def job() -> None:
            try:
                show(written_by(self._opened(), number, prompt))
            except NasvizError as problem:
                show(str(problem))

        self.errand("generate", job)

    # Searching: in a thread of the strategies' own, told after each trial.

    def start_search(self, settings: Mapping[str, Any]) -> None:
        """Search what the sliders leave, under the state's plan with the settings' tokens."""
        state = self.state
        if state.searching:
            return
        state.searching, state.search = True, None

        def job() -> None:
            from nasviz.strategies.search import prepare_search, result_of

            try:
                run = prepare_search(
                    state.narrowed_space(),
                    study=self._opened(),
                    strategy=settings["strategy"],
                    objectives=("bits_per_byte", settings["against"]),
                    trials=settings["trials"],
                    plan=state.plan.with_(tokens=settings["tokens"]),
                    corpus=state.corpus,
                    workload=state.workload,
                    hardware=state.hardware,
                    seed=settings["seed"],
                )
                self._search = run.start()
                told = -1
                while not run.wait(SEARCH_LOOK_S):
                    if len(run.finished) != told:
                        told = len(run.finished)
                        state.search = result_of(run)
                        self._watch_running()
                if run.error is not None:
                    raise RunError(f"the search ended: {run.error}")
                state.search = result_of(run)
            finally:
                state.searching = False

        self.errand("search", job)

    def stop_search(self) -> None:
        """Ask for no more candidates; the trial in training is paused in its checkpoint."""
        if self._search is not None:
            self._search.stop()

    def _watch_running(self) -> None:
        running = [trial for trial in self.state.study.trials if trial.state == "running"]
        if running:
            self.state.watched = running[-1].number

    def calibrate(self) -> None:
        """Measure this machine and predict for it from then on."""

        def job() -> None:
            from nasviz.cost.hardware import Hardware

            self.state.notice = "measuring this machine, about 20 s …"
            try:
                self.state.hardware = Hardware.calibrate()
            finally:
                self.state.notice = ""

        self.errand("calibrate", job)

    def _opened(self) -> Study:
        """Return the study, waiting while it is being opened (errands have threads to wait in)."""
        if not self._is_open.wait(OPEN_S) or self.study is None:
            raise RunError(f"the study is not open: {self.state.problem or 'it takes too long'}")
        return self.study

    def _look(self) -> None:
        if self._follower is not None:
            self._follower.look_now()


def written_by(study: Study, number: int, prompt: str) -> str:
    """Return `prompt` and what a trial's model writes after it.

    A process of its own generates, so that the kernel stays free of torch. Raises `RunError` with
    what that process said where it failed.
    """
    command = [sys.executable, "-m", "nasviz.cli", "generate", str(study.directory(number))]
    done = subprocess.run(
        [*command, "--prompt", prompt],
        capture_output=True,
        text=True,
        timeout=GENERATE_S,
        check=False,
    )
    if done.returncode != 0:
        raise RunError(done.stderr.strip() or f"generating ended with code {done.returncode}")
    return done.stdout
