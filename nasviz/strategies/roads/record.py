"""What a comparison of the two roads came to, as plain data that is stored, shipped and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean as mean
from typing import Any

import numpy as np

from nasviz.errors import InputError
from nasviz.quality.crossing import Road, overtaken_at
from nasviz.quality.paired import Interval, interval
from nasviz.quality.road_over_seeds import RoadOverSeeds
from nasviz.space.replacement.per_layer import SCORES
from nasviz.strategies.roads.outcome import ACCOUNTS, ALIKE, BY_LAYER, Outcome, SeedRun
from nasviz.strategies.roads.settings import RoadsSettings
from nasviz.strategies.roads.speed import Speed
from nasviz.strategies.roads.targets import DEPTH, METHODS, WIDTH

FORMAT = 1


@dataclass(frozen=True)
class RoadsComparison:
    """What a comparison came to: each seed's run, and how fast the models are.

    Differences are in bits per byte of the test part, paired by seed: below 0 the first is better.
    """

    settings: RoadsSettings
    corpus_sha256: str
    runs: Mapping[int, SeedRun]
    speed: Speed
    versions: Mapping[str, str]

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of what the parents were pruned to."""
        return tuple(self.settings.targets)

    def scratch_road(self, seed: int, target: str) -> Road:
        """Return the target's quality against compute when it is trained from new.

        Every point is a run of its own, its learning rate brought down to zero.
        """
        outcomes = [self.runs[seed].scratch[target][account] for account in ACCOUNTS]
        return Road.of([each.flops for each in outcomes], [each.bits_per_byte for each in outcomes])

    def pruned_road(self, seed: int, target: str) -> Road:
        """Return the pruned model's quality at all compute that it can be charged with: one."""
        run = self.runs[seed]
        compute = list(run.compute(target).values())
        return Road.of(compute, [run.healed(target).bits_per_byte] * len(compute))

    def over_seeds(self, target: str) -> dict[str, RoadOverSeeds]:
        """Return both roads to a target, by name, as every seed walked them."""
        return {
            "pruned and healed": RoadOverSeeds.of(
                [self.pruned_road(seed, target) for seed in self.runs]
            ),
            "trained from new": RoadOverSeeds.of(
                [self.scratch_road(seed, target) for seed in self.runs]
            ),
        }

    def pruned_minus_scratch(self, target: str, account: str) -> Interval:
        """Return how much worse pruning is than training from new on the same compute."""
        return self._between(
            lambda run: run.healed(target).bits_per_byte,
            lambda run: run.scratch[target][account].bits_per_byte,
        )

    def crossings(self, target: str) -> list[float | None]:
        """Return from which compute on training from new is as good, by seed, FLOPs.

        None where the roads don't cross: where it is behind even with the whole parent's compute,
        or ahead with the healing's alone.
        """
        return [self._crossing(seed, target) for seed in self.runs]

    def _crossing(self, seed: int, target: str) -> float | None:
        if self.runs[seed].from_new_leads(target):
            return None
        return overtaken_at(self.pruned_road(seed, target), self.scratch_road(seed, target))

    def crossing(self, target: str) -> Interval | None:
        """Return the geometric mean of the crossings with its interval; None where a seed has none.

        FLOPs. The interval is that of the logarithms.
        """
        logs = [np.log(each) for each in self.crossings(target) if each is not None]
        if len(logs) < len(self.runs):
            return None
        found = interval(logs)
        mean, low, high = np.exp([found.mean, found.low, found.high]).tolist()
        return Interval(mean, low, high, found.n)

    def children(self, target: str) -> list[float | None]:
        """Return how many children a parent needs for pruning to be as cheap, by seed.

        That is where healing and a child's share of the parent come to the crossing's compute. 1
        where training from new is behind on all compute of a single child, None where it is as good
        on the healing's alone.
        """
        return [
            _children(run, target, crossing)
            for run, crossing in zip(self.runs.values(), self.crossings(target), strict=True)
        ]

    def depth_minus_width(self) -> Interval:
        """Return how much worse half of the layers is than half of every layer, after healing."""
        return self._between(
            lambda run: run.healed(DEPTH).bits_per_byte, lambda run: run.healed(WIDTH).bits_per_byte
        )

    def time_of_depth_over_width(self) -> Interval:
        """Return the measured time of a token through half of the layers over the other's."""
        return interval(self.speed.ratios(DEPTH, WIDTH))

    def method_minus_chance(self, target: str, method: str) -> Interval:
        """Return how much worse a method's cut is than the mean of those by chance, healed."""
        return self._between(
            lambda run: run.pruned[target][method].bits_per_byte,
            lambda run: mean(each.bits_per_byte for each in run.chance[target]),
        )

    def unhealed_method_minus_chance(self, target: str, method: str) -> Interval:
        """Return how much worse a method's cut is than those by chance, before healing."""
        return self._between(
            lambda run: _unhealed(run.pruned[target][method]),
            lambda run: mean(map(_unhealed, run.chance[target])),
        )

    def by_layer_minus_usual(self, scores: str) -> Interval:
        """Return how much worse searching layer by layer is than half of the layers, both healed.

        As fast, healed on as many tokens; what the search took is not counted.
        """
        return self._between(
            lambda run: run.as_fast[scores][BY_LAYER].bits_per_byte,
            lambda run: run.healed(DEPTH).bits_per_byte,
        )

    def unhealed_by_layer_minus_usual(self, scores: str) -> Interval:
        """Return the same before either is healed."""
        return self._between(
            lambda run: _unhealed(run.as_fast[scores][BY_LAYER]),
            lambda run: _unhealed(run.healed(DEPTH)),
        )

    def by_layer_minus_alike(self, scores: str) -> Interval:
        """Return the same against half of the layers, healed on the search's compute too."""
        return self._between(
            lambda run: run.as_fast[scores][BY_LAYER].bits_per_byte,
            lambda run: run.as_fast[scores][ALIKE].bits_per_byte,
        )

    def time_by_layer_over_alike(self, scores: str) -> Interval:
        """Return the measured time of a token where layers were searched over the other's."""
        times = self.speed.measured_s
        return interval(
            [mean(times[searched(scores, seed)]) / mean(times[DEPTH]) for seed in self.runs]
        )

    def _between(
        self, ours: Callable[[SeedRun], float], theirs: Callable[[SeedRun], float]
    ) -> Interval:
        return interval([ours(run) - theirs(run) for run in self.runs.values()])

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data: settings, each run, speeds, and what follows."""
        return {
            "format": FORMAT,
            "settings": self.settings.to_json(),
            "corpus_sha256": self.corpus_sha256,
            "runs": {str(seed): run.to_json() for seed, run in self.runs.items()},
            "speed": self.speed.to_json(),
            "versions": dict(self.versions),
            "pruned_minus_scratch": {
                target: {
                    account: self.pruned_minus_scratch(target, account).to_json()
                    for account in ACCOUNTS
                }
                for target in self.targets
            },
            "crossings": {target: self.crossings(target) for target in self.targets},
            "children": {target: self.children(target) for target in self.targets},
            "depth_minus_width": self.depth_minus_width().to_json(),
            "time_of_depth_over_width": self.time_of_depth_over_width().to_json(),
            "method_minus_chance": {
                target: {
                    method: {
                        "before healing": self.unhealed_method_minus_chance(
                            target, method
                        ).to_json(),
                        "healed": self.method_minus_chance(target, method).to_json(),
                    }
                    for method in methods
                }
                for target, methods in METHODS.items()
            },
            "by_layer": {
                scores: {
                    "minus half of the layers, before healing": (
                        self.unhealed_by_layer_minus_usual(scores).to_json()
                    ),
                    "minus half of the layers": self.by_layer_minus_usual(scores).to_json(),
                    "minus half of the layers, at equal compute": self.by_layer_minus_alike(
                        scores
                    ).to_json(),
                    "time over half of the layers": self.time_by_layer_over_alike(scores).to_json(),
                }
                for scores in SCORES
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RoadsComparison:
        """Return what `to_json` wrote; what follows from the runs is computed anew."""
        if data.get("format") != FORMAT:
            raise InputError(
                f"the comparison's format is {data.get('format')!r}; this nasviz reads {FORMAT}"
            )
        return cls(
            RoadsSettings.from_json(data["settings"]),
            data["corpus_sha256"],
            {int(seed): SeedRun.from_json(run) for seed, run in data["runs"].items()},
            Speed.from_json(data["speed"]),
            data["versions"],
        )


def searched(scores: str, seed: int) -> str:
    """Return by what name the speed of a model is known whose layers were searched."""
    return f"layer by layer, {scores} scores, seed {seed}"


def _unhealed(outcome: Outcome) -> float:
    assert outcome.unhealed_bits_per_byte is not None  # whoever was pruned was scored before
    return outcome.unhealed_bits_per_byte


def _children(run: SeedRun, target: str, crossing: float | None) -> float | None:
    if crossing is None:
        return None if run.from_new_leads(target) else 1.0
    shared = crossing - run.healed(target).flops  # of the parent's training
    return max(1.0, run.parent.flops / shared) if shared > 0 else None
