"""What a comparison came to, as plain data that is stored, shipped and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.candidate import Candidate
from nasviz.strategies.joint.arms import ARMS
from nasviz.strategies.joint.attainment import Attainment, attainment
from nasviz.strategies.joint.points import Values
from nasviz.strategies.joint.settings import Declared, JointSettings
from nasviz.strategies.joint.verdict import Difference, paired_difference, sentence
from nasviz.strategies.pareto import hypervolume

FORMAT = 1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Winner:
    """A point of an arm's front, re-trained with a fresh seed; values (bits per byte, FLOPs).

    searched: as the search saw it, on the search part. tested: on the test part, after the fresh
    training, as it was really run; None where that failed.
    """

    candidate: Candidate
    searched: Values
    tested: Values | None
    trial: int

    def to_json(self) -> dict[str, Any]:
        """Return the winner as plain data."""
        return {
            "candidate": self.candidate.to_json(),
            "searched": list(self.searched),
            "tested": None if self.tested is None else list(self.tested),
            "trial": self.trial,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Winner:
        """Return what `to_json` wrote."""
        tested = data["tested"]
        return cls(
            Candidate.from_json(data["candidate"]),
            tuple(data["searched"]),
            None if tested is None else tuple(tested),
            data["trial"],
        )


@dataclass(frozen=True)
class ArmRun:
    """One arm with one seed. FLOPs of its trials (failed ones too), and of re-training."""

    trials: int
    failed: int
    spent_flops: float
    retrained_flops: float
    winners: tuple[Winner, ...]

    @property
    def tested(self) -> Floats:
        """The test part's values of its winners, (k, 2) of (bits per byte, FLOPs)."""
        found = [each.tested for each in self.winners if each.tested is not None]
        return np.array(found, np.float64).reshape(-1, 2)

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain data."""
        return {
            "trials": self.trials,
            "failed": self.failed,
            "spent_flops": self.spent_flops,
            "retrained_flops": self.retrained_flops,
            "winners": [each.to_json() for each in self.winners],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ArmRun:
        """Return what `to_json` wrote."""
        winners = tuple(Winner.from_json(each) for each in data["winners"])
        return cls(
            data["trials"], data["failed"], data["spent_flops"], data["retrained_flops"], winners
        )


@dataclass(frozen=True)
class JointComparison:
    """What a comparison came to: each seed's run of each arm, under what was declared before."""

    settings: JointSettings
    declared: Declared
    runs: Mapping[int, Mapping[str, ArmRun]]
    versions: Mapping[str, str]

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the arms, the joint one last."""
        return ARMS

    def hypervolumes(self, arm: str) -> list[float]:
        """Return the share of the box that the arm's winners dominate on the test part, by seed."""
        return [
            hypervolume(self.runs[seed][arm].tested, self.declared.reference) / self.declared.box
            for seed in self.settings.seeds
        ]

    def difference(self, other: str) -> Difference:
        """Return how much more of the box the joint arm dominates than another one."""
        return paired_difference(self.hypervolumes("joint"), self.hypervolumes(other))

    @property
    def verdict(self) -> str:
        """One sentence: whether joint search won, lost, or the difference is within noise."""
        names = {"static": "static search", "in steps": "search in two steps"}
        return sentence({said: self.difference(arm) for arm, said in names.items()})

    def points(self, arm: str) -> Floats:
        """Return the test part's values of all winners of all seeds, (k, 2)."""
        return np.concatenate([self.runs[seed][arm].tested for seed in self.settings.seeds])

    def reached(self, arm: str) -> Attainment:
        """Return what the arm's winners reach on the test part, over seeds."""
        return attainment([self.runs[seed][arm].tested for seed in self.settings.seeds])

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data: what was declared, each run, and the verdict."""
        return {
            "format": FORMAT,
            "declared": self.declared.to_json(),
            "settings": self.settings.to_json(),
            "runs": {
                str(seed): {arm: run.to_json() for arm, run in runs.items()}
                for seed, runs in self.runs.items()
            },
            "hypervolumes": {arm: self.hypervolumes(arm) for arm in ARMS},
            "joint_minus_static": self.difference("static").to_json(),
            "joint_minus_in_steps": self.difference("in steps").to_json(),
            "verdict": self.verdict,
            "versions": dict(self.versions),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JointComparison:
        """Return what `to_json` wrote; what follows from the runs is computed anew."""
        if data.get("format") != FORMAT:
            raise InputError(
                f"the comparison's format is {data.get('format')!r}; this nasviz reads {FORMAT}"
            )
        return cls(
            JointSettings.from_json(data["settings"]),
            Declared.from_json(data["declared"]),
            {
                int(seed): {arm: ArmRun.from_json(run) for arm, run in runs.items()}
                for seed, runs in data["runs"].items()
            },
            data["versions"],
        )
