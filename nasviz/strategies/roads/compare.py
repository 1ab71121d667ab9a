"""`RoadsRun`: a comparison of the two roads at work."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nasviz.corpus.corpus import open_corpus
from nasviz.execution.lock import held_alone
from nasviz.execution.results import versions
from nasviz.space.architecture import Architecture
from nasviz.space.replacement.per_layer import SCORES
from nasviz.strategies.roads.desk import Desk
from nasviz.strategies.roads.outcome import ACCOUNTS, BY_LAYER, Outcome, SeedRun
from nasviz.strategies.roads.record import RoadsComparison, searched
from nasviz.strategies.roads.settings import RoadsSettings
from nasviz.strategies.roads.speed import measured_speed
from nasviz.strategies.roads.targets import DRAWS, METHODS, TARGETS, USUAL
from nasviz.strategies.roads.walk import Walk
from nasviz.study.location import locate
from nasviz.study.study import Study
from nasviz.study.trial import Trial

STUDY = "roads"
LOCK = "comparison.lock"


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
        speed = measured_speed(_models(self.settings, runs), times=len(self.settings.seeds))
        return RoadsComparison(self.settings, self.corpus_sha256, runs, speed, versions())

    def _seed(self, desk: Desk, place: int) -> SeedRun:
        """Return what one seed came to."""
        seeds, each = self.settings.seeds, trials_of_a_seed()
        teller = _Teller(self.on_trial, seeds[place], place * each, len(seeds) * each)
        return Walk(self.settings, desk, seeds[place], teller).walked()


def trials_of_a_seed() -> int:
    """Return how many: the parent, the pruned ones, those from new, those that are as fast."""
    pruned = sum(len(METHODS.get(target, (USUAL,))) for target in TARGETS)
    return 1 + pruned + len(METHODS) * DRAWS + len(TARGETS) * len(ACCOUNTS) + 2 * len(SCORES)


def _models(settings: RoadsSettings, runs: Mapping[int, SeedRun]) -> dict[str, Architecture]:
    """Return the models whose speed is measured, by name."""
    found = {
        searched(scores, seed): settings.parent.with_(
            n_layers=len(outcome.layers), layer_sizes=outcome.layer_sizes
        )
        for seed, run in runs.items()
        for scores, by_shape in run.as_fast.items()
        for outcome in (by_shape[BY_LAYER],)
    }
    return {"parent": settings.parent, **settings.targets, **found}


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
