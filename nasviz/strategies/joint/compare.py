"""`JointRun`: a comparison at work, several seeds side by side, each in a study of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from nasviz.errors import InputError
from nasviz.execution.lock import held_alone
from nasviz.execution.results import versions
from nasviz.strategies.attended import Stopped
from nasviz.strategies.joint.arms import ARMS, Arms, Road
from nasviz.strategies.joint.budget import spent
from nasviz.strategies.joint.desk import Desk
from nasviz.strategies.joint.points import tested
from nasviz.strategies.joint.record import ArmRun, JointComparison, Winner
from nasviz.strategies.joint.settings import FRESH_SEEDS, Declared, JointSettings, declare
from nasviz.strategies.strategy import Proposal
from nasviz.study.location import locate
from nasviz.study.study import Study
from nasviz.study.trial import Trial

OBJECTIVES = ("bits_per_byte", "flops_decode_per_token")
LOCK = "comparison.lock"
_LOOK_S = 0.2

Teller = Callable[[str, Trial, float | None], None]


@dataclass(frozen=True)
class Event:
    """A finished trial of a comparison, of a seed and an arm.

    spent_share: which part of the arm's budget is spent; None for a winner that was trained anew.
    """

    seed: int
    arm: str
    trial: Trial
    spent_share: float | None = None


@dataclass(frozen=True)
class JointRun:
    """A comparison, checked and declared; nothing is stored before `run`.

    Each seed is a study named `joint-seed-0`, … at `url`, with a worker of its own; `side_by_side`
    of them run at a time. The same run again goes on where it was left; two at a time on one
    machine are refused, since they would ask for every trial twice.
    """

    settings: JointSettings
    declared: Declared
    url: str | os.PathLike[str] | None
    side_by_side: int = 1
    on_trial: Callable[[Event], Any] = lambda event: None

    @classmethod
    def prepared(
        cls,
        settings: JointSettings,
        url: str | os.PathLike[str] | None = None,
        *,
        side_by_side: int = 1,
        on_trial: Callable[[Event], Any] = lambda event: None,
    ) -> JointRun:
        """Return the run with its budget and reference point declared.

        Raises `InputError` for a corpus that can't be trained on, an address that can't hold a
        study, and fewer than one at a time.
        """
        if side_by_side < 1:
            raise InputError(f"side_by_side={side_by_side!r} is not a whole number from 1 up")
        locate(url)
        return cls(settings, declare(settings), url, side_by_side, on_trial)

    def run(self) -> JointComparison:
        """Run to the end; return what it came to.

        An interrupt (Ctrl-C) pauses what is in training and goes on as `KeyboardInterrupt`.
        """
        stop, turn = threading.Event(), threading.Lock()
        with ThreadPoolExecutor(self.side_by_side, "joint-seed") as threads:
            jobs = {
                seed: threads.submit(self._seed, seed, stop, turn) for seed in self.settings.seeds
            }
            try:
                _wait_for(list(jobs.values()))
            finally:
                stop.set()
                for job in jobs.values():
                    job.cancel()  # seeds that wait for their turn
        return JointComparison(
            self.settings,
            self.declared,
            {seed: job.result() for seed, job in jobs.items()},
            versions(),
        )

    def _seed(self, seed: int, stop: threading.Event, turn: threading.Lock) -> Mapping[str, ArmRun]:
        """Return one seed's run of each arm; seeds tell of their trials in `turn`."""
        study = Study.open(self.url, f"joint-seed-{seed}", objectives=OBJECTIVES)
        try:
            with held_alone(study.home / LOCK, f"{study!r}: a comparison is at work in it"):
                return self._compared(study, seed, stop, self._teller(seed, turn))
        finally:
            study.close()

    def _compared(
        self, study: Study, seed: int, stop: threading.Event, tell: Teller
    ) -> Mapping[str, ArmRun]:
        desk = Desk(study, self.settings.corpus, stop)
        arms = Arms(self.settings, self.declared, desk, seed, tell)
        static = arms.static()
        roads = {"static": static, "in steps": arms.in_steps(static), "joint": arms.joint()}
        return {arm: self._judged(arms, arm, roads[arm], tell) for arm in ARMS}

    def _judged(self, arms: Arms, arm: str, road: Road, tell: Teller) -> ArmRun:
        """Return an arm's run with its winners trained anew, each with a seed that none had."""
        winners, flops = [], 0.0
        for place, point in enumerate(arms.winners(road)):
            fresh = FRESH_SEEDS + arms.seed * self.settings.winners + place
            trial = arms.desk.trained(
                arms.road(f"{arm} winners"),
                place,
                Proposal(point.candidate, _searched_settings(road, point.trial)),
                self.settings.plan(fresh),
            )
            tell(arm, trial, None)
            flops += spent(arms.desk.study, trial)
            winners.append(Winner(point.candidate, point.search, tested(trial), trial.number))
        return ArmRun(len(road.trials), road.failed, road.spent, flops, tuple(winners))

    def _teller(self, seed: int, turn: threading.Lock) -> Teller:
        def tell(arm: str, trial: Trial, spent_share: float | None) -> None:
            with turn:
                self.on_trial(Event(seed, arm, trial, spent_share))

        return tell


def _searched_settings(road: Road, number: int) -> Mapping[str, Any]:
    """Return the training settings that a road's trial was proposed with."""
    trial = next(each for each in road.trials if each.number == number)
    found: Mapping[str, Any] = trial.proposal.get("settings", {})
    return found


def _wait_for(jobs: list[Future[Any]]) -> None:
    """Wait until all jobs are done or one has failed; interrupts are heard meanwhile."""
    while True:
        done, waiting = wait(jobs, timeout=_LOOK_S, return_when=FIRST_EXCEPTION)
        for job in done:
            error = job.exception()
            if error is not None and not isinstance(error, Stopped):
                raise error
        if not waiting:
            return
