"""What a measurement under a policy shows of its decisions, in the words that costs are told."""

from __future__ import annotations

from nasviz.cost.dynamic.observed import Observed
from nasviz.evaluation.expert_load import ExpertLoad
from nasviz.evaluation.generation_speed import GenerationSpeed
from nasviz.evaluation.policy_score import PolicyScore
from nasviz.space.candidate import Candidate
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.mixture_of_experts import MixtureOfExperts


def observe(
    candidate: Candidate,
    dynamic: PolicyScore,
    speed: GenerationSpeed | None = None,
    load: ExpertLoad | None = None,
) -> Observed:
    """Return what scoring shows of `candidate`'s policy, and writing and experts if measured."""
    n_layers = candidate.inference.running(candidate.architecture).n_layers
    return Observed(
        exit_shares=_exit_shares(candidate, dynamic, n_layers),
        tokens_per_round=speed.tokens_per_round if speed is not None else None,
        routed_share=_routed_share(candidate, dynamic, n_layers),
        answered_share=_answered_share(candidate, dynamic),
        experts_per_token=_experts_per_token(candidate, load),
    )


def _experts_per_token(candidate: Candidate, load: ExpertLoad | None) -> tuple[float, ...] | None:
    """Return how many experts a token went through in each layer that some token reached."""
    if load is None or candidate.inference.get(MixtureOfExperts) is None:
        return None
    return tuple(max(1.0, each) for each in load.experts_per_token if each) or None


def _exit_shares(
    candidate: Candidate, dynamic: PolicyScore, n_layers: int
) -> tuple[float, ...] | None:
    """Return which share of the tokens left at each exit, and after the last layer."""
    option = candidate.inference.get(EarlyExit)
    if option is None:
        return None
    places = (*option.exits(n_layers), n_layers)
    return tuple(dynamic.depth_shares.get(place, 0.0) for place in places)


def _answered_share(candidate: Candidate, dynamic: PolicyScore) -> float | None:
    """Return which share of the tokens the whole model was not asked for."""
    cascaded = candidate.inference.get(Cascade) is not None
    return dynamic.depth_shares.get(0, 0.0) if cascaded else None


def _routed_share(candidate: Candidate, dynamic: PolicyScore, n_layers: int) -> float | None:
    """Return which share of the tokens a routed layer computed, the mean over routed layers."""
    options = candidate.inference.get(MixtureOfDepths), candidate.inference.get(LayerSkip)
    routed = sum(len(each.routed(n_layers)) for each in options if each is not None)
    if not routed:
        return None
    share = (dynamic.average_layers - (n_layers - routed)) / routed
    return min(1.0, max(0.0, share))  # shares that add up to 1 nearly
