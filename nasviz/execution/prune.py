"""`prune`: a smaller model made of a trained one, healed by the study's worker."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nasviz.errors import InputError
from nasviz.execution.check import check_corpus, check_plan
from nasviz.execution.follow import Row, watch
from nasviz.execution.parents import lineage_of, parent_folder
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
    opened = study if isinstance(study, Study) else Study.open(study)
    trial = add_pruned(opened, parent, target, plan, pruning=pruning, heal=heal, corpus=corpus)
    ensure_worker(opened)
    return watch(opened, trial.number, on_progress)


def add_pruned(
    study: Study,
    parent: int | str | os.PathLike[str],
    target: Architecture,
    plan: TrainingPlan | None = None,
    *,
    pruning: Pruning | None = None,
    heal: Heal = "distill",
    corpus: str | os.PathLike[str] | None = None,
) -> Trial:
    """Store the waiting trial that `prune` waits for, and return it."""
    from nasviz.model.trained import check_trained

    if not isinstance(target, Architecture):
        raise InputError(f"target={target!r} is no Architecture; parent.with_(n_layers=…) is one")
    lineage: Lineage = replace(lineage_of(parent, study), pruning=pruning or Pruning(), heal=heal)
    check_reachable(check_trained(parent_folder(study, lineage)), target)
    healed = healing_plan(TrainingPlan() if plan is None else plan, heal)
    check_plan(healed)
    if corpus is None:
        number = lineage.parent_trial
        corpus = "python" if number is None else study.trial(number).corpus
    check_corpus(corpus)
    return study.add(Candidate(target), healed, os.fspath(corpus), ORIGIN, lineage=lineage)
