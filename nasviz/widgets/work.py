"""`Work`: what the explorer has done beside the kernel's own thread.

Sampling, counting, following the study, starting trials and searches: none of it may keep a cell
or a slider waiting. What goes wrong is told in `state.problem`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from nasviz.errors import InputError, NasvizError, RunError
from nasviz.execution.appraiser import Appraiser
from nasviz.study.study import Study
from nasviz.study.trial import Request
from nasviz.widgets.authoring import Authoring
from nasviz.widgets.background import WaitingJobs
from nasviz.widgets.compressing import Compressing
from nasviz.widgets.corpus_facts import read_facts
from nasviz.widgets.expectation import expectation
from nasviz.widgets.sample import (
    count_space,
    draw_sample,
    first_pick,
    recosted,
    requalified,
)
from nasviz.widgets.searching import Searching
from nasviz.widgets.state import ExplorerState
from nasviz.widgets.study_link import StudyLink
from nasviz.widgets.tracing import Tracing
from nasviz.widgets.writing import written_by

DRAWN_S = 60.0
DISPLAYED_S = 0.5  # the longest that work waits for the explorer to be on the page


class Work:
    """Keeps a state's sample, count, prior and study current, and runs errands for the panels."""

    def __init__(self, state: ExplorerState, study: Study | str | os.PathLike[str] | None) -> None:
        self.state = state
        self.displayed = threading.Event()
        self._drawn = threading.Event()
        self._link = StudyLink(state, study)
        self._searching = Searching(state, self._link)
        self._refining = WaitingJobs("nasviz-refine", self._failed)
        self._counting = WaitingJobs("nasviz-count", self._failed)
        self._reading = WaitingJobs("nasviz-text", self._unread)
        self._tracing = Tracing(state, self._link.study)
        self.authoring = Authoring(self._link.study)
        self.compressing = Compressing(state, self._link.study, self._link.look)
        self.appraiser = Appraiser()
        self._anchored: tuple[object, ...] = ()
        self._later: list[Callable[[], None]] = []
        self._checked: set[str] = set()

    def start(self) -> None:
        """Begin once the explorer is on the page: sample first, then the study."""
        self.state.observe(
            lambda _change: self._refine(), names=["space", "ranges", "limits", "target"]
        )
        self.state.observe(lambda _change: self._recost(), names=["workload", "hardware"])
        self.state.observe(
            lambda _change: self._expect(), names=["plan", "study", "corpus", "facts"]
        )
        self._tracing.start()
        self.state.observe(lambda _change: self._read(), names=["plan", "corpus", "selection"])
        self.errand("start", self._begin)

    def once_displayed(self, job: Callable[[], None]) -> None:
        """Have `job` run when the map has its sample; before `start`."""
        self._later.append(job)

    @property
    def study(self) -> Study:
        """The study on show, waiting while it is being opened (errands have threads for that)."""
        return self._link.study()

    def wait_for_sample(self) -> None:
        """Return once the first candidates are drawn; raises `RunError` if that takes too long."""
        if not self._drawn.wait(DRAWN_S):
            raise RunError(
                f"no candidates after {DRAWN_S:g} s: {self.state.problem or 'try again'}"
            )

    def close(self) -> None:
        """Stop following and refining; trials and workers go on."""
        self._link.close()
        self._refining.close()
        self._counting.close()
        self._reading.close()
        self._tracing.close()
        self.authoring.close()
        self.compressing.close()
        self.appraiser.close()

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
        # In its turn: a slider moved meanwhile has its own drawn after this, not under it.
        self._refining.submit(self._draw)
        self._refining.wait()
        if state.sample is None:
            return  # why stands in the state
        self._drawn.set()
        if state.selection is None:
            state.select(first_pick(state.sample))
        for job in self._later:
            job()
        self._counting.submit(self._count)
        self._link.open()
        self._read()

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
        self._refining.submit(self._price)
        if self.state.limits:
            self._counting.submit(self._count)

    def _price(self) -> None:
        state = self.state
        if state.sample is not None:
            state.sample = recosted(state.sample, state.workload, state.hardware)

    def _expect(self) -> None:
        """Anchor the prior anew when a trial was completed, or what it is predicted for changed."""
        state = self.state
        if state.prior is None:
            return
        shown = state.study
        anchored = (
            *(*shown.place, shown.count("complete")),
            *(state.corpus, state.facts, state.plan.budget),
        )
        if anchored == self._anchored:
            return
        self._anchored = anchored
        self._refining.submit(self._anchor)

    def _anchor(self) -> None:
        state = self.state
        # Facts of the corpus before say nothing of this one; its own are being read.
        facts = state.facts if state.facts.corpus == state.corpus else None
        state.prior = expectation(state.plan, state.study.trials, state.corpus, facts)
        if state.sample is not None:
            state.sample = requalified(state.sample, state.prior)

    def _read(self) -> None:
        """Learn of the corpus what a prediction asks: its length, and its bytes a token."""
        if self.state.prior is not None:  # the map first
            self._reading.submit(self._read_facts)

    def _read_facts(self) -> None:
        state = self.state
        candidate, in_bytes = state.selection, state.plan.budget[0] == "bytes"
        sizes = [candidate.architecture.vocab_size] if candidate and in_bytes else []
        state.facts = read_facts(state.corpus, sizes, state.facts)
        state.corpus_problem = ""

    def _unread(self, problem: Exception) -> None:
        self.state.corpus_problem = str(problem)

    # Errands for the panels.

    def train(self) -> None:
        """Have the selection trained under the state's plan; its curve is the one on show."""
        candidate, plan, corpus = self.state.selection, self.state.plan, self.state.corpus
        if candidate is None:
            raise InputError("there is no candidate to train: pick one on the map")

        def job() -> None:
            from nasviz.execution.check import check_corpus, check_plan
            from nasviz.execution.worker import ensure_worker

            check_plan(plan)
            study = self.study
            if corpus not in self._checked:
                check_corpus(corpus)
                self._checked.add(corpus)
            trial = study.add(candidate, plan, corpus)
            self.state.watched = trial.number
            ensure_worker(study)
            self._link.look()

        self.errand("train", job)

    def request(self, number: int, request: Request) -> None:
        """Ask a trial to pause, resume or cancel; one that waits without a worker gets one."""

        def job() -> None:
            from nasviz.execution.worker import ensure_worker

            study = self.study
            waits = study.trial(number).state == "waiting"
            if not (request == "resume" and waits):
                study.request(number, request)
            if request == "resume":
                ensure_worker(study)
            self._link.look()

        self.errand(request, job)

    def wake(self) -> None:
        """Start a worker for the trials that wait, where none is alive."""

        def job() -> None:
            from nasviz.execution.worker import ensure_worker

            ensure_worker(self.study)
            self._link.look()

        self.errand("wake", job)

    def switch(self, url: str, name: str | None = None) -> None:
        """Show another study; where it can't be, say why and keep the one on show."""
        state = self.state

        def job() -> None:
            state.study_problem, state.opening = "", True
            try:
                self._link.switch(url, name)
            except NasvizError as problem:
                state.study_problem = str(problem)
            finally:
                state.opening = False

        self.errand("switch", job)

    def open_study(self, url: str | os.PathLike[str], name: str | None = None) -> None:
        """Show another study before this returns; raises where it can't be opened."""
        self._link.switch(url, name)
        self.state.study_problem = ""

    def generate(self, number: int, prompt: str, show: Callable[[str], None]) -> None:
        """Have a trial's model write on from `prompt`; `show` gets the text, or what went wrong."""

        def job() -> None:
            try:
                show(written_by(self.study, number, prompt))
            except NasvizError as problem:
                show(str(problem))

        self.errand("generate", job)

    def start_search(self, settings: Mapping[str, Any]) -> None:
        """Search what the sliders leave, under the state's plan with the settings' tokens."""
        with self.state.lock:
            if self.state.searching:
                return
            self.state.searching, self.state.search = True, None
        self.errand("search", lambda: self._searching.run(settings))

    def stop_search(self) -> None:
        """Ask for no more candidates; the trial in training is paused in its checkpoint."""
        self._searching.stop()

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
