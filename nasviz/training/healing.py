"""How a pruned model is healed: by which plan, from which weights. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nasviz.space.field import Value
from nasviz.space.lineage import Heal
from nasviz.training.plan import TrainingPlan

# Beside the weights of a pruned model: which parts of its parent it has.
KEPT = "kept.json"

LORA_RANK = 8

# Of the usual rate, and as much at the least where weights became zeros. What came of these stands
# in CHANGELOG.md.
_LEAST, _WITH_ZEROS = 0.1, 0.3

# What a way of healing changes of a plan, unless the plan says it already.
_WAYS: Mapping[Heal, Mapping[str, Value]] = MappingProxyType(
    {
        "distill": {"distillation": 1.0},
        "finetune": {},
        "lora": {"lora_rank": LORA_RANK},
        "none": {},
    }
)


@dataclass(frozen=True)
class Healing:
    """The folder of a pruned model's weights with its `kept.json`, and that of its parent.

    With `holds_zeros` the weights that are zero at the start are zero at the end.
    """

    start: Path
    parent: Path
    holds_zeros: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the folders as text, and whether zeros are held."""
        folders = {"start": str(self.start.resolve()), "parent": str(self.parent.resolve())}
        return {**folders, "holds_zeros": self.holds_zeros}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Healing:
        """Return what `to_json` wrote."""
        return cls(Path(data["start"]), Path(data["parent"]), bool(data["holds_zeros"]))


def healing_plan(plan: TrainingPlan, heal: Heal) -> TrainingPlan:
    """Return `plan` as the plan of a way of healing; what it says itself of healing stays.

    >>> healing_plan(TrainingPlan(steps=5), "distill").distillation
    1.0
    """
    changes = {
        name: value
        for name, value in _WAYS[heal].items()
        if not (getattr(plan, name) or (name == "distillation" and plan.hidden_distillation))
    }
    return plan.with_(**changes)


def rate_share(rise: float, *, zeros: bool = False) -> float:
    """Return at which share of the usual rate a model heals that a cut made worse by `rise`.

    `rise` is in bits per byte; `zeros` says that weights were set to zero after it. Where little
    was lost, the whole rate would first take apart what is there; where much was, a low one doesn't
    get far. The root of the rise lies near the best of `tests/benchmarks/healing_rates.py` from
    0.02 to 2 bits.

    >>> [rate_share(rise) for rise in (-0.1, 0.04, 0.25, 3.0)]
    [0.1, 0.2, 0.5, 1.0]
    """
    least = _WITH_ZEROS if zeros else _LEAST
    return min(1.0, max(least, math.sqrt(max(0.0, rise))))


def gentle_plan(plan: TrainingPlan, share: float) -> TrainingPlan:
    """Return `plan` at that share of the usual rate, unless it names a rate or a share itself.

    >>> gentle_plan(TrainingPlan(steps=5), 0.1).rate_share
    0.1
    """
    if plan.learning_rate is not None or plan.rate_share is not None:
        return plan
    return plan.with_(rate_share=share)
