"""`SearchRun`: the loop of asking, training and telling; blocking, or in a thread.

The trials are trained by the study's worker, so the trial in training survives the process that
runs the loop. The loop itself does not: a search whose kernel died goes on when it is started
again with the same settings, since everything it knows is in the study. Functions as constraints
could not be handed to another process, and that is why the loop has none of its own.
"""

from __future__ import annotations

import math
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
from nasviz.study import queue
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
            if value is not None and (isinstance(value, bool) or not 0 < value < math.inf):
                raise InputError(f"{name}={value!r} is no budget; give a finite number above 0")

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
        loop = _Loop(self)
        try:
            while not self._stop.is_set() and loop.turn():
                self._stop.wait(POLL_S)
            if self.ending is None:
                self.ending = "stopped"
        except BaseException:
            self.ending = "stopped"
            raise
        finally:
            self.rejected = dict(loop.strategy.rejected)
            if self.ending == "stopped":
                loop.pause()

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


class _Loop:
    """A run's state between two turns: the strategy, and the trials that have no values yet."""

    def __init__(self, run: SearchRun) -> None:
        self.run, self.study, self.settings = run, run.study, run.settings
        self.began = time.monotonic()
        self.looked = -LOOK_S
        self.strategy = self.settings.fresh_strategy()
        self.known: set[tuple[Any, ...]] = set()
        self.open: list[int] = []
        self._recall()

    def turn(self) -> bool:
        """Ask, look after the worker and tell; return whether there is more to do."""
        if not self.open and self.run.ending is None:
            self.run.ending = self._spent() or self._ask()
        if self.open:
            if time.monotonic() - self.looked >= LOOK_S:
                self.looked = time.monotonic()
                ensure_worker(self.study)
            self._tell_finished()
        return bool(self.open) or self.run.ending is None

    def pause(self) -> None:
        """Pause what is in training, and what waits for it; what has just ended stays ended."""
        for number in self.open:
            if not queue.pause(self.study, number, ("waiting",)):
                queue.ask(self.study, number, "pause")

    def _recall(self) -> None:
        """Tell the strategy what this search did before, and take up its open trials."""
        for trial in self.run.own_trials():
            proposal = proposal_of(trial)
            self.known.add(proposal.key)
            if trial.finished:
                self.strategy.tell(proposal, self._values(trial))
                continue
            self.strategy.wait_for(proposal)
            if trial.state == "paused" or trial.request == "pause":
                self.study.request(trial.number, "resume")
            self.open.append(trial.number)

    def _ask(self) -> Ending | None:
        """Add the strategy's next proposal; return "exhausted" where it has nothing new."""
        proposal = self.strategy.ask()
        if proposal.key in self.known:
            return "exhausted"
        self.known.add(proposal.key)
        trial = self.study.add(
            proposal.candidate,
            self.settings.plan.with_(**proposal.settings),
            self.settings.corpus,
            self.settings.origin,
            proposal=self.settings.stored(proposal),
        )
        self.open.append(trial.number)
        return None

    def _tell_finished(self) -> None:
        """Tell the strategy of the open trials that ended."""
        still_open = []
        for trial in self.study.trials(numbers=self.open):
            if trial.finished:
                self.strategy.tell(proposal_of(trial), self._values(trial))
                self.run.finished.append(trial)
                if self.run.on_trial is not None:
                    self.run.on_trial(trial)
            elif trial.state != "paused":  # somebody paused it: the search goes on without it
                still_open.append(trial.number)
        self.open = still_open

    def _values(self, trial: Trial) -> tuple[float, ...] | None:
        settings = self.settings
        return values_of(trial, settings.objectives, settings.workload, settings.hardware)

    def _spent(self) -> Ending | None:
        """Return what ends the run now, None while the budget lasts."""
        if self.run.trials is not None:
            return "trials" if len(self.run.finished) >= self.run.trials else None
        assert self.run.seconds is not None
        left = self.run.seconds - (time.monotonic() - self.began)
        durations = [
            (trial.ended - trial.created).total_seconds()
            for trial in self.run.finished
            if trial.ended and trial.created
        ]
        expected = statistics.median(durations) if durations else 0.0
        return "seconds" if left <= expected else None
