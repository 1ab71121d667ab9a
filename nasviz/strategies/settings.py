"""`SearchSettings`: what a search is, and by what its trials are known in the study."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from nasviz.cost.columns import cost_columns
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.space.constraints import Cost
from nasviz.space.field import Field
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import decode_value
from nasviz.strategies.grid import point_of
from nasviz.strategies.objectives import check_objectives
from nasviz.strategies.registry import strategy_named
from nasviz.strategies.strategy import Proposal, Strategy
from nasviz.study.study import OBJECTIVES
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan


@dataclass(frozen=True)
class SearchSettings:
    """A search: equal settings are the same search, which goes on where it was left.

    Raises `InputError` for an unknown strategy or objective, a seed that is no whole number, and a
    space without dimensions or feasible candidates.
    """

    space: SearchSpace
    strategy: str = "nsga2"
    objectives: Sequence[str] = OBJECTIVES
    plan: TrainingPlan = field(default_factory=TrainingPlan)
    corpus: str = "python"
    workload: Workload = field(default_factory=Workload)
    hardware: Hardware = field(default_factory=Hardware.default)
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.space, SearchSpace):
            raise InputError(f"space={self.space!r} is no SearchSpace; try SearchSpace.laptop()")
        strategy_named(self.strategy)
        object.__setattr__(self, "objectives", check_objectives(self.objectives))
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"seed={self.seed!r} is not a whole number from 0 up")
        self.space.sample(1, cost=self.cost)

    @property
    def cost(self) -> Cost:
        """The costs that the space's limits and target need, for this workload and hardware."""
        return cost_columns(self.workload, self.hardware, self.space.cost_names)

    @property
    def origin(self) -> str:
        """The origin of this search's trials: `search:nsga2:` and a digest of the settings."""
        told = {**self._asked, "space": _space_json(self.space), "plan": self.plan.to_json()}
        text = json.dumps(told, sort_keys=True, default=str)
        return f"search:{self.strategy}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def _asked(self) -> dict[str, Any]:
        """What is asked for, but for the space and the plan."""
        return {
            "objectives": list(self.objectives),
            "corpus": self.corpus,
            "workload": self.workload.to_json(),
            "hardware": self.hardware.name,
            "seed": self.seed,
        }

    def fresh_strategy(self) -> Strategy:
        """Return the strategy, told of nothing yet."""
        make = strategy_named(self.strategy)
        return make(self.space, len(self.objectives), self.seed, self.cost)

    def stored(self, proposal: Proposal) -> dict[str, Any]:
        """Return what is stored of a proposal: the strategy's memory, and Optuna's parameters.

        `search` says by which strategy and seed it was proposed, for which objectives, workload
        and hardware.

        Optuna refuses distributions that change within a study, and spaces do change: so each
        parameter is stored with the whole range of its field.
        """
        point = point_of(self.space, proposal)
        params: dict[str, Any] = {}
        distributions: dict[str, str] = {}
        for dimension in self.space.dimensions:
            params[dimension.name] = decode_value(dimension.field, point[dimension.name][0])
            distributions[dimension.name] = distribution_to_json(_whole_range(dimension.field))
        return {
            "search": {"strategy": self.strategy, "space": self.space.name, **self._asked},
            "memory": dict(proposal.memory),
            "settings": dict(proposal.settings),
            "params": params,
            "distributions": distributions,
        }


def proposal_of(trial: Trial) -> Proposal:
    """Return the proposal that a stored trial came from."""
    return Proposal(
        trial.candidate, trial.proposal.get("settings", {}), trial.proposal.get("memory", {})
    )


def _whole_range(field_: Field) -> BaseDistribution:
    if field_.kind == "choice":
        return CategoricalDistribution(field_.choices)
    if field_.kind == "switch":
        return CategoricalDistribution((False, True))
    assert field_.low is not None
    assert field_.high is not None
    if field_.kind == "integer":
        return IntDistribution(int(field_.low), int(field_.high))
    return FloatDistribution(float(field_.low), float(field_.high))


def _space_json(space: SearchSpace) -> Mapping[str, Any]:
    """Return the space as data; a constraint that is a function counts by its name."""
    try:
        return space.to_json()
    except InputError:
        named = [f"{each.name}({', '.join(each.columns)})" for each in space.constraints]
        return {
            "dimensions": {each.name: each.to_json() for each in space.dimensions},
            "base": dict(space.base),
            "constraints": named,
            "limits": {limit.column: limit.maximum for limit in space.limits},
            "target": repr(space.target),
        }
