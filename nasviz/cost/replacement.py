"""What replacements of a model's blocks use, and the best of them within limits on the whole.

Every cost is a base and a sum over layers; on some devices it is so only nearly (weights that fit
into a cache are read faster, launches hide behind arithmetic). A layer's own part is therefore
taken as what it adds to the parent, and the solution is priced as the model that it is: where that
differs from the sum, the sum is moved by as much and solved again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.errors import InputError, RunError
from nasviz.space.architecture import Architecture
from nasviz.space.replacement.choices import (
    Choice,
    Choices,
    architecture_of,
    choices_of,
    needs_of,
    picked,
)
from nasviz.space.replacement.exact import check_reachable, solve
from nasviz.space.replacement.per_layer import PerLayer
from nasviz.space.replacement.problem import Chosen, Floats, Limit, ReplacementProblem

Measure = Callable[[Architecture, Workload, Hardware], float]

_ROUNDS = 8
# Amounts that differ by no more than this share of them are the same up to rounding.
_ROUNDING = 1e-9


def parameters(sizes: Architecture, workload: Workload, hardware: Hardware) -> float:
    """Return how many weights a model has."""
    return float(estimate(sizes, workload, hardware).parameters.total)


def time_per_token_s(sizes: Architecture, workload: Workload, hardware: Hardware) -> float:
    """Return the seconds of a written token."""
    return float(estimate(sizes, workload, hardware).latency.time_per_output_token_s)


def memory_bytes(sizes: Architecture, workload: Workload, hardware: Hardware) -> float:
    """Return the bytes of the weights and of the cache after the last token of a request."""
    memory = estimate(sizes, workload, hardware).memory
    return float(memory.weights_bytes) + float(memory.kv_cache_bytes)


def forward_flops(sizes: Architecture, workload: Workload, hardware: Hardware) -> float:
    """Return the FLOPs of reading one token of a whole context: a third of training on it."""
    return float(estimate(sizes, workload, hardware).flops.training_per_token) / 3


@dataclass(frozen=True)
class _Kind:
    name: str
    unit: str
    measure: Measure


# By the name of the limit that `PerLayer` sets.
KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "max_parameters": _Kind("parameters", "", parameters),
        "max_time_per_token_s": _Kind("time per token", "s", time_per_token_s),
        "max_memory_bytes": _Kind("memory", "B", memory_bytes),
    }
)


@dataclass(frozen=True, eq=False)
class Pricing:
    """A parent, what its layers can become, and for which work on which device they are priced."""

    parent: Architecture
    choices: Choices
    workload: Workload
    hardware: Hardware

    @classmethod
    def of(
        cls,
        parent: Architecture,
        choices: Choices,
        workload: Workload | None = None,
        hardware: Hardware | None = None,
    ) -> Pricing:
        """Return the pricing for the usual workload on this machine, unless others are named."""
        usual = Workload().fitted_to(parent.context_length) if workload is None else workload
        return cls(parent, choices, usual, Hardware.default() if hardware is None else hardware)

    def used(self, measure: Measure) -> tuple[float, Floats]:
        """Return what the parent uses beside its layers, and each choice for them, (L, C)."""
        own = self.parent.sizes_by_layer
        whole = measure(self.parent, self.workload, self.hardware)
        found: dict[Choice, float] = {None: 0.0}
        for each in {choice for layer in self.choices for choice in layer} - {None}:
            longer = architecture_of(self.parent, (*own, each))
            found[each] = measure(longer, self.workload, self.hardware) - whole
        table = np.array([[found[choice] for choice in layer] for layer in self.choices])
        return whole - sum(found[each] for each in own), table

    def problem(self, losses: Floats, asked: PerLayer) -> ReplacementProblem:
        """Return the choice for each block with these losses (L, C), within what is asked."""
        limits = []
        for name, most in asked.limits.items():
            kind = KINDS[name]
            base, table = self.used(kind.measure)
            limits.append(Limit(kind.name, table, most, base, kind.unit))
        return ReplacementProblem(losses, limits, needs_of(self.choices))

    def sizes(self, chosen: Chosen) -> Architecture:
        """Return the sizes that a selection (L,) leaves of the parent."""
        return architecture_of(self.parent, picked(self.choices, chosen.tolist()))

    def amounts(self, chosen: Chosen, asked: PerLayer) -> dict[str, float]:
        """Return what the model of a selection uses of each limit that is asked, by its name."""
        sizes = self.sizes(chosen)
        return {
            KINDS[name].name: KINDS[name].measure(sizes, self.workload, self.hardware)
            for name in asked.limits
        }

    def solved(
        self, losses: Floats, asked: PerLayer, *, seconds: float = 60.0
    ) -> tuple[ReplacementProblem, Chosen]:
        """Return the problem whose limits are right at its solution, and that solution (L,).

        Raises `InputError` for limits that can't be kept, `RunError` where solving takes too long.
        """
        problem = self.problem(losses, asked)
        found: list[tuple[ReplacementProblem, Chosen]] = []
        for _ in range(_ROUNDS):
            try:
                chosen = solve(problem, seconds=seconds)
            except InputError:  # limits that were moved leave nothing: what was found stands
                if not found:
                    raise
                break
            told, real = problem.used(chosen), self.amounts(chosen, asked)
            if all(real[each.name] <= each.most * (1 + _ROUNDING) for each in problem.limits):
                found.append((problem, chosen))
            if all(abs(real[name] - told[name]) <= _ROUNDING * real[name] for name in real):
                break
            moved = [
                replace(each, base=each.base + real[each.name] - told[each.name])
                for each in problem.limits
            ]
            problem = replace(problem, limits=moved)
        if not found:
            raise RunError("no solution keeps the limits when it is priced as a whole")
        return min(found, key=lambda each: float(problem.loss(each[1])))


def check_limits(parent: Architecture, asked: PerLayer) -> None:
    """Raise `InputError` where nothing that is left of `parent` keeps the limits that are asked."""
    pricing = Pricing.of(parent, choices_of(parent, asked.grid))
    nothing = np.zeros((len(pricing.choices), len(pricing.choices[0])))
    check_reachable(pricing.problem(nothing, asked))
