"""`train`: one candidate trained from start to end, by the study's worker."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

from nasviz.errors import InputError
from nasviz.execution.check import check_plan, checked_text, repetition
from nasviz.execution.follow import Row, watch
from nasviz.execution.worker import ensure_worker
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan


def train(
    candidate: Candidate | Architecture,
    plan: TrainingPlan | None = None,
    corpus: str | os.PathLike[str] = "python",
    study: Study | str | os.PathLike[str] | None = None,
    on_progress: Callable[[Row], Any] | None = None,
) -> Trial:
    """Return the finished trial of `candidate`, trained by the study's warm worker.

    `study` is an open one, its address, or None for `nasviz.db` in the current folder. Each row
    of the curve goes to `on_progress`. Interrupting (Ctrl-C) cancels the trial. The trial that
    comes back may have failed: `trial.state` and `trial.reason` say so. To train without waiting,
    `study.add(…)` and `ensure_worker(study)`.

    Raises `InputError` for a plan, a corpus or a study that can't be used, before anything is
    stored.
    Warns where a small text would be read so often that it is learnt by heart.
    """
    if not isinstance(candidate, Candidate | Architecture):
        raise InputError(f"candidate={candidate!r} is no Candidate; make one of an Architecture")
    whole = candidate if isinstance(candidate, Candidate) else Candidate(candidate)
    plan = TrainingPlan() if plan is None else plan
    if not isinstance(plan, TrainingPlan):
        raise InputError(f"plan={plan!r} is no TrainingPlan; make one: TrainingPlan(tokens=…)")
    check_plan(plan)
    text = checked_text(whole, corpus)
    repeated = repetition(whole, plan, text)
    if repeated:
        warnings.warn(repeated, stacklevel=2)
    opened = study if isinstance(study, Study) else Study.open(study)
    trial = opened.add(whole, plan, os.fspath(corpus))
    ensure_worker(opened)
    return watch(opened, trial.number, on_progress)
