"""What leaving early saves, in layers, operations or time: the x axis of the exit curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import Cost, estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.plots.exit_sweep import ModelPoint
from nasviz.plots.front import Objective
from nasviz.quality.exit_sweep import Sweep
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.options.early_exit import Criterion, EarlyExit
from nasviz.study.trial import Trial
from nasviz.widgets.observed import trial_cost

# A static model stands beside the curve where it costs at most so many times as much as the whole.
_REACH = 1.5


@dataclass(frozen=True)
class ExitCost:
    """One way to price depth: its choice's label, its axis, and the figure of a cost it reads.

    `of` None counts layers themselves.
    """

    label: str
    axis: Objective
    of: Callable[[Cost], Any] | None = None


LAYERS = "layers"
COSTS: Mapping[str, ExitCost] = MappingProxyType({
    LAYERS: ExitCost("layers", Objective("layers, mean of a token")),
    "operations": ExitCost(
        "operations / token", Objective("operations / token", "FLOP"),
        lambda cost: cost.flops.decode_per_token,
    ),
    "time": ExitCost(
        "time / token", Objective("time / token, predicted", "s"),
        lambda cost: cost.latency.time_per_output_token_s,
    ),
})  # fmt: skip


@dataclass(frozen=True)
class Pricing:
    """What depth is priced in, for a workload on a device."""

    name: str
    workload: Workload
    hardware: Hardware

    @property
    def cost(self) -> ExitCost:
        """The way to price."""
        return COSTS[self.name]

    def of_sweep(self, trial: Trial, sweep: Sweep) -> NDArray[np.float64]:
        """Return what a trial's candidate costs at each threshold of its sweep, `(t,)`.

        Checks are those of the sweep's criterion, whichever the trial was run by.
        """
        of = self.cost.of
        if of is None:
            return sweep.average_layers
        policy = trial.candidate.inference
        option = policy.get(EarlyExit)
        assert option is not None  # it has a sweep
        swept = replace(option, criterion=cast(Criterion, sweep.criterion))
        candidate = Candidate(trial.candidate.architecture, policy.with_(swept))

        def price(shares: tuple[float, ...]) -> float:
            observed = Observed(exit_shares=shares)
            return float(of(estimate(candidate, self.workload, self.hardware, observed)))

        return sweep.costs(price)

    def of_whole(self, trial: Trial) -> ModelPoint:
        """Return the trial's model without early exit, every layer for every token."""
        architecture = trial.candidate.architecture
        of = self.cost.of
        cost = (
            float(architecture.n_layers)
            if of is None
            else float(of(estimate(architecture, self.workload, self.hardware)))
        )
        return ModelPoint("every layer", cost, float(trial.result["static_bits_per_byte"]))

    def of_run(self, trial: Trial, threshold: float) -> ModelPoint:
        """Return what the trial really scored under its own policy, of that threshold."""
        of = self.cost.of
        cost = (
            float(trial.result["policy_score"]["average_layers"])
            if of is None
            else float(of(trial_cost(trial, self.workload, self.hardware)))
        )
        bits = float(trial.result["bits_per_byte"])
        return ModelPoint(f"trial {trial.number} as it ran", cost, bits, threshold)

    def of_static(self, trial: Trial, others: Iterable[Trial]) -> tuple[ModelPoint, ...]:
        """Return the static trials of like cost, of the same text.

        Where layers are counted, only those that differ in nothing else.
        """
        whole, architecture = self.of_whole(trial).cost, trial.candidate.architecture
        points = []
        for each in others:
            if each.state != "complete" or each.candidate.inference or each.corpus != trial.corpus:
                continue
            sizes = each.candidate.architecture
            if self.cost.of is None:
                if _besides_layers(sizes) != _besides_layers(architecture):
                    continue
                cost = float(sizes.n_layers)
            else:
                cost = float(self.cost.of(estimate(sizes, self.workload, self.hardware)))
            if cost <= whole * _REACH:
                label = f"trial {each.number}, {sizes.title}"
                points.append(ModelPoint(label, cost, float(each.result["bits_per_byte"])))
        return tuple(points)


def _besides_layers(architecture: Architecture) -> dict[str, object]:
    """Return every size but the number of layers; where layers differ, those of each."""
    return {name: value for name, value in architecture.to_json().items() if name != "n_layers"}
