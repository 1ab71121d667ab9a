"""`prune`: a smaller model made of a trained one, healed by the study's worker."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nasviz.errors import InputError
from nasviz.execution.check import check_corpus, check_plan
from nasviz.execution.follow import Row, watch
from nasviz.execution.parents import Parent, find_parent
from nasviz.execution.worker import ensure_worker
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.importance import check_reachable
from nasviz.space.lineage import Heal, Lineage
from nasviz.space.pruning import Pruning
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.healing import healing_plan
from nasviz.training.plan import TrainingPlan

ORIGIN = "prune"


def prune(
    parent: int | str | os.PathLike[str],
    target: Architecture,
    plan: TrainingPlan | None = None,
    *,
    pruning: Pruning | None = None,
    heal: Heal = "distill",
    corpus: str | os.PathLike[str] | None = None,
    study: Study | str | os.PathLike[str] | None = None,
    on_progress: Callable[[Row], Any] | None = None,
) -> Trial:
    """Return the finished trial of `parent` pruned to the sizes of `target` and healed.

    `parent` is a trial's number in the study, or the folder of a checkpoint: ours, or one that
    `transformers` wrote of the GPT-2 or the Llama family. `corpus` is what it is measured, healed
    and scored on: by itself the parent trial's, or `python`. `plan` is the healing's budget; `heal`
    "none" leaves the weights as they were cut. The rest is as in `nasviz.train`.

    Raises `InputError` for a parent without a model, a target that pruning can't reach, and what
    `train` refuses, before anything is stored.
    """
    if not isinstance(parent, str | os.PathLike) and not isinstance(study, Study):
        study = Study.open(study)
    known = study if isinstance(study, Study) else None
    order = checked_order(find_parent(parent, known), target, plan, pruning, heal, corpus)
    # A folder's checkpoint was looked at before a new study's file is made.
    opened = study if isinstance(study, Study) else Study.open(study)
    trial = order.add_to(opened)
    ensure_worker(opened)
    return watch(opened, trial.number, on_progress)


@dataclass(frozen=True)
class Order:
    """A pruned trial that can be stored: everything about it was checked."""

    candidate: Candidate
    plan: TrainingPlan
    corpus: str
    lineage: Lineage

    def add_to(self, study: Study) -> Trial:
        """Store it as a waiting trial, and return that."""
        return study.add(self.candidate, self.plan, self.corpus, ORIGIN, lineage=self.lineage)


def checked_order(
    parent: Parent,
    target: Architecture,
    plan: TrainingPlan | None = None,
    pruning: Pruning | None = None,
    heal: Heal = "distill",
    corpus: str | os.PathLike[str] | None = None,
) -> Order:
    """Return the trial of `parent` pruned to `target`; raises `InputError` as `prune` says."""
    from nasviz.model.trained import check_trained

    if not isinstance(target, Architecture):
        raise InputError(f"target={target!r} is no Architecture; parent.with_(n_layers=…) is one")
    lineage = replace(parent.lineage, pruning=pruning or Pruning(), heal=heal)
    check_reachable(check_trained(parent.folder), target)
    healed = healing_plan(TrainingPlan() if plan is None else plan, heal)
    check_plan(healed)
    text = parent.corpus if corpus is None else os.fspath(corpus)
    check_corpus(text)
    return Order(Candidate(target), healed, text, lineage)
