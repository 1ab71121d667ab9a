"""The twin of a pruned trial: the same sizes from scratch, for as much compute. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from nasviz.errors import InputError, unknown_name
from nasviz.study.lineage_cost import lineage_cost
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan

ORIGIN = "twin"

# What is paid for: the parent's training in full, this child's share of it, or none of it.
Paid = Literal["whole", "share", "healing"]
PAID: Mapping[Paid, str] = MappingProxyType(
    {
        "whole": "the parent's training and the healing",
        "share": "its share of the parent's training, and the healing",
        "healing": "the healing alone",
    }
)


def twin_flops(study: Study, child: Trial, paid: Paid) -> float:
    """Return the training FLOPs that a twin of `child` gets.

    Raises `InputError` where `child` is no pruned trial that is complete, or nothing is known of
    what its parent cost.
    """
    if paid not in PAID:
        raise unknown_name("amount paid", paid, PAID)
    if child.lineage is None:
        raise InputError(f"trial {child.number} was trained from scratch; it needs no twin")
    if child.state != "complete":
        raise InputError(
            f"trial {child.number} is {child.state}: what it costs in all is known when it is "
            "complete; train its twin then"
        )
    cost = lineage_cost(study, child.number)
    flops = {
        "whole": cost.total_flops, "share": cost.amortised_flops, "healing": cost.own_flops,
    }[paid]  # fmt: skip
    if flops is None:
        raise InputError(
            f"trial {child.number} was pruned from {child.lineage.parent}, and nobody knows what "
            "that cost; choose the healing alone"
        )
    if not flops or (paid == "healing" and child.lineage.heal == "none"):
        raise InputError(
            f"trial {child.number} was not healed, so there is no compute for a twin; choose the "
            "parent's training too"
        )
    return flops


def add_twin(study: Study, child: Trial, paid: Paid = "whole") -> Trial:
    """Store a waiting trial of the same sizes as `child` from scratch, and return it.

    It learns as the parent did (for few bits where `child` did), for as many FLOPs as `twin_flops`
    says, and is marked as the twin of `child`. Raises `InputError` as that does.
    """
    flops = twin_flops(study, child, paid)
    plan = _plan_of(study, child).with_(flops=flops)
    return study.add(
        child.candidate, plan, child.corpus, ORIGIN,
        proposal={"twin_of": child.number, "paid": paid},
    )  # fmt: skip


def _plan_of(study: Study, child: Trial) -> TrainingPlan:
    """Return how the first of its parents learnt; of a parent elsewhere, the usual way.

    A parent that was pruned itself was healed, more gently than a model learns from scratch.
    """
    plan = TrainingPlan(seed=int(child.plan.get("seed", 0)))
    trial = child
    while trial.lineage is not None and trial.lineage.parent_trial is not None:
        trial = study.trial(trial.lineage.parent_trial)
    if trial.lineage is None:
        plan = TrainingPlan.from_json(dict(trial.plan))
    return plan.with_(quantization_aware=bool(child.plan.get("quantization_aware", False)))
