"""`search`: a front of real trials, grown by a strategy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.execution.check import check_corpus, check_plan
from nasviz.space.search_space import SearchSpace
from nasviz.strategies import pareto
from nasviz.strategies.objectives import values_of
from nasviz.strategies.search_run import Ending, SearchRun
from nasviz.strategies.settings import SearchSettings
from nasviz.study.corpus_name import settled_corpus
from nasviz.study.study import OBJECTIVES, Study
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan


@dataclass(frozen=True)
class SearchResult:
    """What a search came to, over all its runs.

    trials: every finished trial of it, by number; `values`, shape `(n, m)`: their objectives, NaN
    for those that failed. `front`: the trials that no other one beats in everything.
    `hypervolume`, shape `(n,)`: after each trial, below `reference`, shape `(m,)` (NaN without a
    complete trial). `rejected`: how often this run drew what it could not propose, by reason.
    """

    objectives: tuple[str, ...]
    trials: tuple[Trial, ...]
    values: NDArray[np.float64]
    front: tuple[Trial, ...]
    hypervolume: NDArray[np.float64]
    reference: NDArray[np.float64]
    ending: Ending | None = None
    rejected: Mapping[str, int] | None = None


def search(
    space: SearchSpace,
    *,
    study: Study | str | os.PathLike[str] | None = None,
    strategy: str = "nsga2",
    objectives: Sequence[str] = OBJECTIVES,
    trials: int | None = None,
    seconds: float | None = None,
    plan: TrainingPlan | None = None,
    corpus: str | os.PathLike[str] = "python",
    workload: Workload | None = None,
    hardware: Hardware | None = None,
    seed: int = 0,
    on_trial: Callable[[Trial], Any] | None = None,
) -> SearchResult:
    """Return the result of searching `space` with `trials` more trials, or for `seconds`.

    Each trial is really trained, by the study's warm worker. A search with the same settings goes
    on where it was left, in any process: its earlier trials are told to the strategy, those that
    were interrupted are finished first. `objectives` are minimised: `bits_per_byte` (of the search
    part) and any cost column. Interrupting pauses the trial in training.

    Raises `InputError` for wrong settings, before anything is stored.
    """
    run = prepare_search(
        space,
        study=study,
        strategy=strategy,
        objectives=objectives,
        trials=trials,
        seconds=seconds,
        plan=plan,
        corpus=corpus,
        workload=workload,
        hardware=hardware,
        seed=seed,
        on_trial=on_trial,
    )
    run.run()
    return result_of(run)


def prepare_search(
    space: SearchSpace,
    *,
    study: Study | str | os.PathLike[str] | None = None,
    strategy: str = "nsga2",
    objectives: Sequence[str] = OBJECTIVES,
    trials: int | None = None,
    seconds: float | None = None,
    plan: TrainingPlan | None = None,
    corpus: str | os.PathLike[str] = "python",
    workload: Workload | None = None,
    hardware: Hardware | None = None,
    seed: int = 0,
    on_trial: Callable[[Trial], Any] | None = None,
) -> SearchRun:
    """Return the search, checked and not begun.

    `run.start()` runs it in a thread, `run.stop()` ends it; the arguments are those of `search`.
    """
    settings = SearchSettings(
        space,
        strategy,
        objectives,
        plan or TrainingPlan(),
        settled_corpus(corpus),
        workload or Workload(),
        hardware or Hardware.default(),
        seed,
    )
    check_plan(settings.plan)
    check_corpus(corpus)
    # The budget is checked before the study's file is made.
    SearchRun.check_budget(trials, seconds)
    opened = (
        study if isinstance(study, Study) else Study.open(study, objectives=settings.objectives)
    )
    return SearchRun(settings, opened, trials, seconds, on_trial)


def result_of(run: SearchRun) -> SearchResult:
    """Return what the search of `run` came to so far, its earlier runs included."""
    settings = run.settings
    trials = [trial for trial in run.own_trials() if trial.finished]
    rows = [
        values_of(trial, settings.objectives, settings.workload, settings.hardware)
        for trial in trials
    ]
    nothing = (np.nan,) * len(settings.objectives)
    values = np.array([row or nothing for row in rows], dtype=np.float64)
    values = values.reshape(len(rows), len(settings.objectives))
    finite = np.isfinite(values).all(axis=1)
    reference = pareto.reference_point(values) if finite.any() else np.full(values.shape[1], np.nan)
    return SearchResult(
        objectives=tuple(settings.objectives),
        trials=tuple(trials),
        values=values,
        front=tuple(trials[index] for index in pareto.front(values)),
        hypervolume=pareto.hypervolume_history(values, reference),
        reference=reference,
        ending=run.ending,
        rejected=run.rejected,
    )
