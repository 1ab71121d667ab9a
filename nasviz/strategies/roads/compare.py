"""`RoadsRun`: a comparison of the two roads at work."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nasviz.corpus.corpus import open_corpus
from nasviz.execution.lock import held_alone
from nasviz.execution.results import versions
from nasviz.space.pruning import by_method
from nasviz.strategies.roads.desk import Desk
from nasviz.strategies.roads.outcome import ACCOUNTS, Outcome, SeedRun, accounts
from nasviz.strategies.roads.record import RoadsComparison
from nasviz.strategies.roads.settings import RoadsSettings
from nasviz.strategies.roads.speed import measured_speed
from nasviz.strategies.roads.targets import DRAWS, METHODS, TARGETS, USUAL
from nasviz.study.location import locate
from nasviz.study.study import Study
from nasviz.study.trial import Trial

STUDY = "roads"
LOCK = "comparison.lock"
# Seeds of further draws by chance: far from any seed of a comparison.
_NEXT_DRAW = 1_000_000


@dataclass(frozen=True)
class Event:
    """A trial of a comparison that is complete: the `done`th of `of`."""

    seed: int
    arm: str
    trial: Trial
    done: int
    of: int


@dataclass(frozen=True)
class RoadsRun:
    """A comparison, checked; nothing is stored before `run`.

    All trials are in the study named `roads` at `url`. The same run again goes on where it was
    left; two at a time on one machine are refused, since they would ask for every trial twice.
    """

    settings: RoadsSettings
    corpus_sha256: str
    url: str | os.PathLike[str] | None
    on_trial: Callable[[Event], Any] = lambda event: None

    @classmethod
    def prepared(
        cls,
        settings: RoadsSettings,
        url: str | os.PathLike[str] | None = None,
        *,
        on_trial: Callable[[Event], Any] = lambda event: None,
    ) -> RoadsRun:
        """Return the run, ready to go.

        Raises `InputError` for a corpus that can't be trained on, and an address that can't hold a
        study.
        """
        locate(url)
        return cls(settings, open_corpus(settings.corpus).sha256, url, on_trial)

    def run(self) -> RoadsComparison:
        """Run to the end; return what it came to.

        An interrupt (Ctrl-C) pauses what is in training. Raises `RunError` where a trial fails.
        """
        study = Study.open(self.url, STUDY)
        try:
            with held_alone(study.home / LOCK, f"{study!r}: a comparison is at work in it"):
                desk = Desk(study, self.settings.corpus, self.corpus_sha256)
                places = range(len(self.settings.seeds))
                runs = {self.settings.seeds[place]: self._seed(desk, place) for place in places}
        finally:
            study.close()
        models = {"parent": self.settings.parent, **self.settings.targets}
        speed = measured_speed(models, times=len(self.settings.seeds))
        return RoadsComparison(self.settings, self.corpus_sha256, runs, speed, versions())

    def _seed(self, desk: Desk, place: int) -> SeedRun:
        """Return what one seed came to."""
        settings, seed = self.settings, self.settings.seeds[place]
        each = trials_of_a_seed()
        teller = _Teller(self.on_trial, seed, place * each, len(settings.seeds) * each)
        trial = desk.trained("parent", settings.parent, settings.parent_plan(seed))
        parent = teller("parent", trial)

        def pruned(target: str, method: str, draw: int = 0) -> Outcome:
            arm = f"{target}, pruned by {method.replace('_', ' ')}"
            pruning = by_method(method, seed=seed + draw * _NEXT_DRAW)
            plan = settings.healing_plan(seed)
            sizes = settings.targets[target]
            return teller(arm, desk.pruned(arm, parent.trial, sizes, plan, pruning))

        def scratch(target: str, account: str, flops: float) -> Outcome:
            arm = f"{target}, from new on {account}"
            plan = settings.scratch_plan(seed, flops)
            return teller(arm, desk.trained(arm, settings.targets[target], plan))

        cut = {
            target: {method: pruned(target, method) for method in METHODS.get(target, (USUAL,))}
            for target in TARGETS
        }
        chance = {
            target: tuple(pruned(target, "random", draw) for draw in range(DRAWS))
            for target in METHODS
        }
        new = {
            target: {
                account: scratch(target, account, flops)
                for account, flops in accounts(
                    next(iter(cut[target].values())).flops, parent.flops, len(TARGETS)
                ).items()
            }
            for target in TARGETS
        }
        return SeedRun(parent, cut, chance, new)


def trials_of_a_seed() -> int:
    """Return how many: the parent, each target's models from new, and its pruned ones."""
    pruned = sum(len(METHODS.get(target, (USUAL,))) for target in TARGETS)
    return 1 + len(TARGETS) * len(ACCOUNTS) + pruned + len(METHODS) * DRAWS


class _Teller:
    """Tells of each complete trial, and returns what it came to."""

    def __init__(self, tell: Callable[[Event], Any], seed: int, done: int, of: int) -> None:
        self._tell = tell
        self._seed = seed
        self._done = done
        self._of = of

    def __call__(self, arm: str, trial: Trial) -> Outcome:
        self._done += 1
        self._tell(Event(self._seed, arm, trial, self._done, self._of))
        return Outcome.of(trial)
