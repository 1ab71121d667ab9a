"""What a measurement under a policy shows of its decisions, in the words that costs are told."""

from __future__ import annotations

from nasviz.cost.dynamic.observed import Observed
from nasviz.evaluation.generation_speed import GenerationSpeed
from nasviz.evaluation.policy_score import PolicyScore
from nasviz.space.candidate import Candidate
from nasviz.space.options.early_exit import EarlyExit


def observe(
    candidate: Candidate, dynamic: PolicyScore, speed: GenerationSpeed | None = None
) -> Observed:
    """Return what scoring, and writing where that was measured, show of `candidate`'s policy."""
    rounds = speed.tokens_per_round if speed is not None else None
    option = candidate.inference.get(EarlyExit)
    if option is None:
        return Observed(tokens_per_round=rounds)
    n_layers = candidate.inference.running(candidate.architecture).n_layers
    places = (*option.exits(n_layers), n_layers)
    return Observed(tuple(dynamic.depth_shares.get(place, 0.0) for place in places), rounds)
