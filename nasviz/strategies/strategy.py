"""What a search strategy is: something that proposes candidates and is told how they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from nasviz.space.candidate import Candidate
from nasviz.space.constraints import Cost
from nasviz.space.field import Value
from nasviz.space.search_space import SearchSpace


@dataclass(frozen=True)
class Proposal:
    """A candidate to train, with the training settings that the space searches.

    `memory` is what the strategy needs to know of it later (JSON): it is stored with the trial, so
    that another process can go on.
    """

    candidate: Candidate
    settings: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    memory: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal candidates under equal settings."""
        return (self.candidate.digest, *sorted(self.settings.items()))


class Strategy(Protocol):
    """Proposes candidates of a space and is told of all that were tried, its own or not.

    What is asked depends on the space, the seed and what has been asked and told before, and on
    nothing else: the same seed gives the same first candidates, and a strategy that is told a
    stored history goes on from there. Its values are minimised.
    """

    @property
    def rejected(self) -> Mapping[str, int]:
        """How often what was drawn could not be proposed, by reason."""

    def ask(self) -> Proposal:
        """Return the next candidate: in the space, and new unless nothing new is left."""

    def wait_for(self, proposal: Proposal) -> None:
        """Count a proposal of an earlier process that has no values yet as asked."""

    def tell(self, proposal: Proposal, values: tuple[float, ...] | None) -> None:
        """Learn what came of a proposal; None for a trial that failed."""


class StrategyFactory(Protocol):
    """Makes a strategy for a space."""

    def __call__(
        self, space: SearchSpace, n_objectives: int, seed: int, cost: Cost | None = None
    ) -> Strategy:
        """Return a fresh strategy that minimises `n_objectives` values.

        `cost` gives the columns that limits of the space name; default: the default workload on
        the default hardware.
        """
