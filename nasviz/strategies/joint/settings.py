"""`JointSettings`: what a comparison is; and `Declared`: what is fixed before its first trial."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nasviz.corpus.corpus import open_corpus
from nasviz.errors import InputError
from nasviz.space.search_space import SearchSpace
from nasviz.strategies.joint.budget import dearest_decoding, typical_training
from nasviz.strategies.joint.spaces import check_dynamic, static_space
from nasviz.strategies.registry import strategy_named
from nasviz.training.plan import TrainingPlan

# Runs are looked at on their last step alone: curves of many small trials tell nothing here.
_NEVER = 10**9
# Training seeds of winners: far from any seed of a search.
FRESH_SEEDS = 1_000_000


@dataclass(frozen=True)
class JointSettings:
    """A comparison of searching sizes and dynamic settings jointly or apart.

    space: the joint space; its exit threshold, if it has one, is chosen by the sweep.
    trials: the budget of each arm, in trainings of the space's typical static candidate.
    tokens: what each trial is trained on.
    seeds: of the searches, compared pair by pair.
    first_share: the part of its budget that the arm of two steps spends on sizes.
    winners: how many points of its front each arm is re-trained for and judged by.
    thresholds: the most points that one trained model enters its arm's archive with.
    reference: (bits per byte, FLOPs a token) in place of what the text and the space say.

    Raises `InputError` for what is no comparison.
    """

    space: SearchSpace
    trials: int
    tokens: int
    seeds: tuple[int, ...]
    strategy: str = "nsga2"
    corpus: str = "python"
    first_share: float = 0.5
    winners: int = 4
    thresholds: int = 4
    reference: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_dynamic(self.space)
        strategy_named(self.strategy)
        for name in ("trials", "winners", "thresholds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name}={value!r} is not a whole number from 1 up")
        if not 0 < self.first_share < 1:
            raise InputError(f"first_share={self.first_share!r} is not between 0 and 1")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise InputError(f"seeds={list(self.seeds)} are not different whole numbers from 0 up")
        if self.reference is not None and not (
            len(self.reference) == 2 and all(0 < each < math.inf for each in self.reference)
        ):
            raise InputError(f"reference={list(self.reference)} is not two numbers above 0")
        self.plan(0)

    def plan(self, seed: int) -> TrainingPlan:
        """Return the plan of trials with that training seed.

        One thread, whatever else the machine does: a trial comes out the same a second time.
        """
        return TrainingPlan(
            tokens=self.tokens,
            seed=seed,
            threads=1,
            evaluation_every=_NEVER,
            measured="quality",
        )

    def to_json(self) -> dict[str, Any]:
        """Return every setting as plain data; raises `InputError` for a rule without a text."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "seeds": list(self.seeds),
            "reference": None if self.reference is None else list(self.reference),
            "space": self.space.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JointSettings:
        """Return what `to_json` wrote."""
        return cls(
            space=SearchSpace.from_json(data["space"]),
            seeds=tuple(data["seeds"]),
            reference=None if data["reference"] is None else tuple(data["reference"]),
            **{name: data[name] for name in _PLAIN},
        )

    def road(self, seed: int, arm: str, corpus_sha256: str) -> str:
        """Return the origin of an arm's trials: equal for equal settings but for other seeds.

        `corpus_sha256` is the text's: a file that was changed is another comparison.
        """
        plan = self.plan(seed).to_json()
        told = {**self.to_json(), "seeds": [seed], "plan": plan, "text": corpus_sha256}
        text = json.dumps(told, sort_keys=True)
        return f"joint:{arm}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


_PLAIN = ("trials", "tokens", "strategy", "corpus", "first_share", "winners", "thresholds")


@dataclass(frozen=True)
class Declared:
    """What is fixed before the first trial and never moved.

    budget_flops: what each arm spends. reference: (bits per byte, FLOPs a token), the corner that
    hypervolumes are measured from; as shares of the box between it and the origin.
    """

    budget_flops: float
    reference: tuple[float, float]
    corpus_sha256: str

    @property
    def box(self) -> float:
        """The volume between the origin and the reference point."""
        return self.reference[0] * self.reference[1]

    def to_json(self) -> dict[str, Any]:
        """Return every figure by name."""
        return {**asdict(self), "reference": list(self.reference)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Declared:
        """Return what `to_json` wrote."""
        return cls(data["budget_flops"], tuple(data["reference"]), data["corpus_sha256"])


def declare(settings: JointSettings) -> Declared:
    """Return the budget and the reference point, from the space and the text alone.

    The reference point, unless it is given, is what costs nothing to know: the bits per byte of
    guessing by the frequencies of single bytes, and the cost of the dearest static candidate.
    """
    corpus = open_corpus(settings.corpus)
    sizes = static_space(settings.space)
    reference = settings.reference
    if reference is None:
        reference = (byte_entropy(corpus.part("train")), dearest_decoding(sizes))
    budget = settings.trials * typical_training(sizes, settings.plan(0))
    return Declared(budget, reference, corpus.sha256)


def byte_entropy(text: bytes) -> float:
    """Return the entropy of single bytes of a text, in bits.

    >>> byte_entropy(b"abab")
    1.0
    """
    counts = np.bincount(np.frombuffer(text, np.uint8))
    shares = counts[counts > 0] / len(text)
    return float(-(shares * np.log2(shares)).sum())
