"""What a pruned trial cost in all: its own healing, and its parent's training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nasviz.cost.estimate import estimate
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.study.study import Study
from nasviz.study.trial import Trial


@dataclass(frozen=True)
class LineageCost:
    """Training FLOPs and seconds of a trial and of all that it was made from.

    `own_…` are the trial's healing, what its teacher computed and the cutting included (of FLOPs,
    those of finding which parts go, what layers become, and which weights are zero);
    `parent_…` the parent's whole cost, its own parents' included: None where the parent is no trial
    of the study, so that nobody knows. `children` counts the parent's complete pruned trials, this
    one at the least: the parent is trained once for all of them.
    """

    own_flops: float
    own_seconds: float
    parent_flops: float | None
    parent_seconds: float | None
    children: int

    @property
    def total_flops(self) -> float | None:
        """With the parent's whole training, as if this were its only child."""
        return None if self.parent_flops is None else self.own_flops + self.parent_flops

    @property
    def total_seconds(self) -> float | None:
        """With the parent's whole training, as if this were its only child."""
        return None if self.parent_seconds is None else self.own_seconds + self.parent_seconds

    @property
    def amortised_flops(self) -> float | None:
        """With this child's share of the parent's training."""
        if self.parent_flops is None:
            return None
        return self.own_flops + self.parent_flops / self.children

    @property
    def amortised_seconds(self) -> float | None:
        """With this child's share of the parent's training."""
        if self.parent_seconds is None:
            return None
        return self.own_seconds + self.parent_seconds / self.children

    def to_json(self) -> dict[str, Any]:
        """Return every figure by name."""
        return {
            "own_flops": self.own_flops,
            "own_seconds": self.own_seconds,
            "parent_flops": self.parent_flops,
            "parent_seconds": self.parent_seconds,
            "children": self.children,
            "total_flops": self.total_flops,
            "total_seconds": self.total_seconds,
            "amortised_flops": self.amortised_flops,
            "amortised_seconds": self.amortised_seconds,
        }


def lineage_cost(study: Study, number: int) -> LineageCost:
    """Return the cost of a complete trial; without a lineage its parent's is 0.

    Raises `InputError` where there is no such trial.
    """
    study.trial(number)
    trials = {each.number: each for each in study.trials()}
    return _cost(trials, trials[number])


def training_flops(trial: Trial) -> float:
    """Return the FLOPs of a complete trial's own training.

    Under adapters it is a bound from above: gradients of the weights that stay are not computed.
    """
    stored = trial.result.get("training_flops")
    if stored is not None:
        return float(stored)
    return training_flops_per_token(trial.candidate, {}) * float(trial.result.get("tokens", 0))


def training_flops_per_token(
    candidate: Candidate, plan: Mapping[str, Any], parent: Architecture | None = None
) -> float:
    """Return the FLOPs of a training token, what the teacher `parent` computes included.

    Under adapters it is a bound from above: gradients of the weights that stay are not computed.
    """
    per_token = float(estimate(candidate).flops.training_per_token)
    if parent is not None and (plan.get("distillation") or plan.get("hidden_distillation")):
        # A teacher only reads: a third of what training it on the token would take.
        per_token += float(estimate(parent).flops.training_per_token) / 3
    return per_token


def _cost(trials: Mapping[int, Trial], trial: Trial) -> LineageCost:
    own_seconds = float(trial.result.get("seconds", 0.0))
    own_seconds += float(trial.result.get("pruned", {}).get("seconds", 0.0))
    own_flops = training_flops(trial) + float(trial.result.get("pruned", {}).get("flops", 0.0))
    if trial.lineage is None:
        return LineageCost(own_flops, own_seconds, 0.0, 0.0, 1)
    children = sum(
        each.lineage is not None
        and each.lineage.parent == trial.lineage.parent
        and (each.state == "complete" or each.number == trial.number)
        for each in trials.values()
    )
    parent = trials.get(-1 if trial.lineage.parent_trial is None else trial.lineage.parent_trial)
    if parent is None:
        return LineageCost(own_flops, own_seconds, None, None, children)
    before = _cost(trials, parent)
    return LineageCost(own_flops, own_seconds, before.total_flops, before.total_seconds, children)
