"""`SearchRun`: the loop of asking, training and telling; blocking, or in a thread.

The trials are trained by the study's worker, so the trial in training survives the process that
runs the loop. The loop itself does not: a search whose kernel died goes on when it is started
again with the same settings, since everything it knows is in the study. Functions as constraints
could not be handed to another process, and that is why the loop has none of its own.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from nasviz.errors import InputError
from nasviz.execution.worker import ensure_worker
from nasviz.strategies.objectives import values_of
from nasviz.strategies.settings import SearchSettings, proposal_of
from nasviz.strategies.strategy import Proposal, Strategy
from nasviz.study.study import Study
from nasviz.study.trial import Trial

POLL_S = 0.05
LOOK_S = 2.0

Ending = Literal["trials", "seconds", "stopped", "exhausted"]


@dataclass
class SearchRun:
    """One run of a search: `trials` more trials, or no new one after `seconds`.

    `on_trial` gets each finished trial. After `seconds` the trial in training is still finished,
    and none is begun that would, by the median of those before, end later. Read `running`,
    `finished` (this run's trials), `ending` and `error` at any time.
    """

    settings: SearchSettings
    study: Study
    trials: int | None = None
    seconds: float | None = None
    on_trial: Callable[[Trial], Any] | None = None
    finished: list[Trial] = field(default_factory=list)
    ending: Ending | None = None
    error: BaseException | None = None
    rejected: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.check_budget(self.trials, self.seconds)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @staticmethod
    def check_budget(trials: int | None, seconds: float | None) -> None:
        """Raise `InputError` unless there is one budget, above 0."""
        if (trials is None) == (seconds is None):
            raise InputError("a search needs trials=… or seconds=…, one of them")
        for name, value in (("trials", trials), ("seconds", seconds)):
            if value is not None and (isinstance(value, bool) or not value > 0):
                raise InputError(f"{name}={value!r} is no budget; give a number above 0")

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> SearchRun:
        """Run in a thread of this process; return at once."""
        if self._thread is not None:
            raise InputError("this search was started before; make another SearchRun to go on")
        self._thread = threading.Thread(target=self._run_quietly, name="search", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ask nothing more, and pause the trial in training: its checkpoint is kept."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the thread to end; return whether it has."""
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.running

    def run(self) -> None:
        """Run to the end of the budget, or until `stop` is called from another thread.

        An interrupt (Ctrl-C) pauses the trial in training and goes on as `KeyboardInterrupt`.
        """
        began = time.monotonic()
        strategy = self.settings.fresh_strategy()
        open_trials = self._recall(strategy)
        known = {proposal_of(trial).key for trial in self.own_trials()}
        looked = 0.0
        try:
            while self.ending is None or (open_trials and self.ending != "stopped"):
                if self._stop.is_set():
                    self.ending = "stopped"
                    break
                if self.ending is None:
                    self.ending = self._spent(began, len(open_trials))
                if self.ending is None and not open_trials:
                    proposal = strategy.ask()
                    if proposal.key in known:
                        self.ending = "exhausted"
                        continue
                    known.add(proposal.key)
                    open_trials.append(self._add(proposal))
                if time.monotonic() - looked > LOOK_S:
                    looked = time.monotonic()
                    ensure_worker(self.study)
                open_trials = self._tell_finished(strategy, open_trials)
                self._stop.wait(POLL_S if open_trials else 0)
        except BaseException:
            self.ending = "stopped"
            raise
        finally:
            self.rejected = dict(strategy.rejected)
            if self.ending == "stopped":
                self._pause(open_trials)

    def _run_quietly(self) -> None:
        try:
            self.run()
        except Exception as error:
            # A thread has nobody to raise to: whoever watches the run reads this.
            self.error = error

    def own_trials(self) -> list[Trial]:
        """Return the trials of this search, of earlier runs too, by number."""
        origin = self.settings.origin
        return [trial for trial in self.study.trials() if trial.origin == origin]

    def _recall(self, strategy: Strategy) -> list[int]:
        """Tell the strategy what this search did before; return the numbers of its open trials."""
        open_trials = []
        for trial in self.own_trials():
            if trial.finished:
                strategy.tell(proposal_of(trial), self._values(trial))
                continue
            strategy.wait_for(proposal_of(trial))
            if trial.state == "paused":
                self.study.request(trial.number, "resume")
            open_trials.append(trial.number)
        return open_trials

    def _add(self, proposal: Proposal) -> int:
        settings = self.settings
        plan = settings.plan.with_(**proposal.settings)
        trial = self.study.add(
            proposal.candidate,
            plan,
            settings.corpus,
            settings.origin,
            proposal=settings.stored(proposal),
        )
        return trial.number

    def _tell_finished(self, strategy: Strategy, numbers: list[int]) -> list[int]:
        """Tell the strategy of the trials that ended; return the others' numbers."""
        if not numbers:
            return numbers
        still_open = []
        for trial in self.study.trials(numbers=numbers):
            if trial.finished:
                strategy.tell(proposal_of(trial), self._values(trial))
                self.finished.append(trial)
                if self.on_trial is not None:
                    self.on_trial(trial)
            elif trial.state != "paused":  # somebody paused it: the search goes on without it
                still_open.append(trial.number)
        return still_open

    def _values(self, trial: Trial) -> tuple[float, ...] | None:
        settings = self.settings
        return values_of(trial, settings.objectives, settings.workload, settings.hardware)

    def _spent(self, began: float, n_open: int) -> Ending | None:
        """Return what ends the run now, None while the budget lasts."""
        if self.trials is not None:
            return "trials" if len(self.finished) + n_open >= self.trials else None
        assert self.seconds is not None
        left = self.seconds - (time.monotonic() - began)
        durations = [
            (trial.ended - trial.created).total_seconds()
            for trial in self.finished
            if trial.ended and trial.created
        ]
        expected = statistics.median(durations) if durations else 0.0
        return "seconds" if left <= expected else None

    def _pause(self, numbers: list[int]) -> None:
        for number in numbers:
            if self.study.trial(number).state in ("waiting", "running"):
                self.study.request(number, "pause")
