"""How fast the models are that the roads lead to: predicted, and measured side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.space.architecture import Architecture

# Rounds of one measurement, in each of which all models take their turn.
ROUNDS = 9


@dataclass(frozen=True)
class Speed:
    """Seconds of a written token by model: predicted on `hardware`, and each measurement's.

    One thread, batch 1, random weights (which take the same time).
    """

    predicted_s: Mapping[str, float]
    measured_s: Mapping[str, tuple[float, ...]]
    hardware: str

    def ratios(self, ours: str, theirs: str) -> list[float]:
        """Return the measured time of one model over another's, by measurement."""
        return [
            one / other
            for one, other in zip(self.measured_s[ours], self.measured_s[theirs], strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return every figure by name."""
        data = asdict(self)
        return {**data, "measured_s": {name: list(s) for name, s in self.measured_s.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Speed:
        """Return what `to_json` wrote."""
        measured = {name: tuple(seconds) for name, seconds in data["measured_s"].items()}
        return cls(data["predicted_s"], measured, data["hardware"])


def predicted_time_s(sizes: Architecture) -> float:
    """Return the seconds of a written token that the cost model expects on this machine."""
    cost = estimate(sizes, Workload().fitted_to(sizes.context_length))
    return float(cost.latency.time_per_output_token_s)


def measured_speed(models: Mapping[str, Architecture], times: int) -> Speed:
    """Return the speed of each of these models by name, measured so many times.

    For the usual workload; all of them have one context.
    """
    # torch loads here: a comparison's settings and record do without.
    from nasviz.evaluation.latency import measure

    architectures = list(models.values())
    workload = Workload().fitted_to(architectures[0].context_length)
    found = [measure(architectures, workload, threads=1, rounds=ROUNDS) for _ in range(times)]
    return Speed(
        {name: predicted_time_s(sizes) for name, sizes in models.items()},
        {
            name: tuple(each[place].time_per_output_token_s for each in found)
            for place, name in enumerate(models)
        },
        estimate(architectures[0], workload).hardware.name,
    )
