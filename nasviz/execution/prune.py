"""`prune`: a smaller model made of a trained one, healed by the study's worker."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nasviz.corpus.tokenizer import check_holds_text
from nasviz.cost.replacement import check_limits
from nasviz.errors import InputError
from nasviz.execution.check import check_corpus, check_plan
from nasviz.execution.follow import Row, watch
from nasviz.execution.parents import Parent, find_parent
from nasviz.execution.scored_layers import OnScored, ScoredLayers
from nasviz.execution.worker import ensure_worker
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.importance import check_reachable
from nasviz.space.inference import InferencePolicy
from nasviz.space.kept import Kept
from nasviz.space.lineage import Heal, Lineage
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.pruning import Pruning
from nasviz.space.replacement.per_layer import PerLayer
from nasviz.space.sparsity import Sparsity
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.healing import healing_plan
from nasviz.training.plan import TrainingPlan

ORIGIN = "prune"
FEW_BITS = (8, 4)


def prune(
    parent: int | str | os.PathLike[str],
    target: Architecture | PerLayer | None = None,
    plan: TrainingPlan | None = None,
    *,
    kept: Kept | None = None,
    pruning: Pruning | None = None,
    sparsity: Sparsity | None = None,
    heal: Heal = "distill",
    heal_for_bits: int | None = None,
    corpus: str | os.PathLike[str] | None = None,
    study: Study | str | os.PathLike[str] | None = None,
    on_progress: Callable[[Row], Any] | None = None,
    on_scored: OnScored | None = None,
) -> Trial:
    """Return the finished trial of `parent` pruned to the sizes of `target` and healed.

    A `PerLayer` as target says limits instead: the sizes of each layer, and which layers stay, are
    then searched by the worker, and the trial has its parent's sizes until they are found; how many
    layers are scored, of how many, goes to `on_scored`. `kept`
    can name exactly the parts that stay, chosen by hand. With `sparsity` weights of what stays are
    set to zero, and remain so; with `heal_for_bits` 8 or 4 the model is healed with weights rounded
    to so many bits, and its candidate's policy runs it so. Both change no size: alone they leave
    every one as it is.

    `parent` is a trial's number in the study, or the folder of a checkpoint: ours, or one that
    `transformers` wrote of the GPT-2 or the Llama family. `corpus` is what it is measured, healed
    and scored on: by itself the parent trial's, or `python`. `plan` is the healing's budget; `heal`
    "none" leaves the weights as they were cut. Unless `plan` names a learning rate or a
    `rate_share`, a model heals at a share of the usual rate that follows from what the cut cost, at
    three tenths or more with zeros (`nasviz.training.healing.rate_share`); adapters learn at the
    usual rate. The rest is as in `nasviz.train`.

    Raises `InputError` for a parent without a model, a target that pruning can't reach, and what
    `train` refuses, before anything is stored.
    """
    if not isinstance(parent, str | os.PathLike) and not isinstance(study, Study):
        study = Study.open(study)
    known = study if isinstance(study, Study) else None
    found = find_parent(parent, known)
    order = checked_order(
        found,
        target,
        plan,
        pruning,
        heal,
        corpus,
        kept=kept,
        sparsity=sparsity,
        heal_for_bits=heal_for_bits,
    )
    # A folder's checkpoint was looked at before a new study's file is made.
    opened = study if isinstance(study, Study) else Study.open(study)
    trial = order.add_to(opened)
    ensure_worker(opened)
    look = None
    if on_scored is not None and isinstance(target, PerLayer):
        n_layers = order.candidate.architecture.n_layers
        look = ScoredLayers(opened.directory(trial.number), n_layers, on_scored)
    return watch(opened, trial.number, on_progress, look)


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
    target: Architecture | PerLayer | None,
    plan: TrainingPlan | None = None,
    pruning: Pruning | None = None,
    heal: Heal = "distill",
    corpus: str | os.PathLike[str] | None = None,
    *,
    kept: Kept | None = None,
    sparsity: Sparsity | None = None,
    heal_for_bits: int | None = None,
    sizes: Architecture | None = None,
) -> Order:
    """Return the trial of `parent` pruned to `target`, or to what is `kept`.

    With `sparsity` or `heal_for_bits` alone it has every size of `parent`. `sizes` are these, where
    they are known: the checkpoint is then not read, which takes no torch. Raises `InputError` as
    `prune` says.
    """
    lineage = replace(
        parent.lineage,
        pruning=pruning or Pruning(),
        heal=heal,
        kept=kept,
        sparsity=sparsity,
        per_layer=target if isinstance(target, PerLayer) else None,
    )
    sizes = _sizes_of(parent) if sizes is None else sizes
    if target is None and kept is None and (sparsity is not None or heal_for_bits is not None):
        target = sizes
    child = _child(sizes, target, kept)
    check_holds_text(child.vocab_size)
    if sparsity is not None:
        sparsity.check_fits(child)
    healed = healing_plan(TrainingPlan() if plan is None else plan, heal)
    policy = InferencePolicy()
    if heal_for_bits is not None:
        policy = _in_bits(heal_for_bits, sparsity)
        healed = healed.with_(quantization_aware=heal != "none")
    check_plan(healed)
    text = parent.corpus if corpus is None else os.fspath(corpus)
    check_corpus(text)
    return Order(Candidate(child, policy), healed, text, lineage)


def _in_bits(bits: int, sparsity: Sparsity | None) -> InferencePolicy:
    if bits not in FEW_BITS:
        raise InputError(f"heal_for_bits={bits} is not 8 or 4: in so many nasviz packs weights")
    if sparsity is not None:
        raise InputError(
            f"heal_for_bits={bits} would round the zeros of sparsity={sparsity.pattern!r} to other "
            "numbers; choose one of them"
        )
    return InferencePolicy((WeightQuantization(bits=bits),))


def _sizes_of(parent: Parent) -> Architecture:
    from nasviz.model.trained import check_trained

    return check_trained(parent.folder)


def _child(
    parent: Architecture, target: Architecture | PerLayer | None, kept: Kept | None
) -> Architecture:
    """Return the sizes to prune to; raises `InputError` where `parent` can't be cut to them."""
    if (target is None) == (kept is None):
        raise InputError(
            "say what pruning leaves once: by a target of sizes, or by the parts that are kept"
        )
    if isinstance(target, PerLayer):
        check_limits(parent, target)
        return parent
    if kept is not None:
        return kept.architecture(parent)
    if not isinstance(target, Architecture):
        raise InputError(f"target={target!r} is no Architecture; parent.with_(n_layers=…) is one")
    check_reachable(parent, target)
    return target
