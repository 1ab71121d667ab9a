"""`RoadsSettings`: what a comparison of the two roads is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.strategies.roads.targets import targets_of
from nasviz.training.plan import TrainingPlan

# Runs are looked at on their last step alone: curves of many small trials tell nothing here.
_NEVER = 10**9

PARENT = Architecture(6, 64, 4, vocab_size=512, context_length=64)


@dataclass(frozen=True)
class RoadsSettings:
    """A comparison of pruning with training from new.

    parent: the sizes of the model that is pruned. parent_tokens: what it is trained on.
    healing_tokens: what each pruned model is healed on, by its parent. seeds: each is a parent of
    its own with all that is made of it, compared pair by pair.

    Raises `InputError` for what is no comparison.
    """

    parent_tokens: int
    healing_tokens: int
    seeds: tuple[int, ...]
    parent: Architecture = PARENT
    corpus: str = "python"

    def __post_init__(self) -> None:
        targets_of(self.parent)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise InputError(f"seeds={list(self.seeds)} are not different whole numbers from 0 up")
        self.parent_plan(0)
        self.healing_plan(0)

    @property
    def targets(self) -> dict[str, Architecture]:
        """The sizes that the parent is pruned to, by name."""
        return targets_of(self.parent)

    def parent_plan(self, seed: int) -> TrainingPlan:
        """Return how a parent is trained."""
        return _plan(seed, tokens=self.parent_tokens)

    def healing_plan(self, seed: int) -> TrainingPlan:
        """Return how long a pruned model is healed."""
        return _plan(seed, tokens=self.healing_tokens)

    def scratch_plan(self, seed: int, flops: float) -> TrainingPlan:
        """Return how a model is trained from new on so much compute, its rate falling to zero."""
        return _plan(seed, flops=flops)

    def to_json(self) -> dict[str, Any]:
        """Return every setting as plain data."""
        return {
            "parent": self.parent.to_json(),
            "parent_tokens": self.parent_tokens,
            "healing_tokens": self.healing_tokens,
            "seeds": list(self.seeds),
            "corpus": self.corpus,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RoadsSettings:
        """Return what `to_json` wrote."""
        return cls(
            data["parent_tokens"],
            data["healing_tokens"],
            tuple(data["seeds"]),
            Architecture.from_json(data["parent"]),
            data["corpus"],
        )


def _plan(seed: int, **budget: float) -> TrainingPlan:
    """Return a plan with that budget.

    One thread, whatever else the machine does: a trial comes out the same a second time.
    """
    plan = TrainingPlan(seed=seed, threads=1, evaluation_every=_NEVER, measured="quality")
    return plan.with_(**budget)
