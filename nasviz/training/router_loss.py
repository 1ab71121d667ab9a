"""Routed layers in training: the way that routers choose, and what teaches them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nasviz.model.dynamic.additions import routers_of
from nasviz.model.dynamic.mixture_of_depths import expert_choice
from nasviz.model.dynamic.routed import routed_states
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths

# Weight of the skipping gates' penalty, for each routed layer.
CAPACITY_WEIGHT = 4.0


def chosen_states(
    model: Transformer, option: MixtureOfDepths, hidden: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the stream (B, T, M) after all layers as routers choose, and the predictors' loss.

    Routers choose among a whole text's tokens, so what comes out knows something of the future: it
    is for learning, never a quality. A predictor learns which tokens its router chose, by the
    cross-entropy of each, the mean over tokens and routed layers (Raposo et al. 2024, section 3.5,
    arXiv:2404.02258).
    """
    last, choices = expert_choice(model, option, hidden)
    losses = [
        binary_cross_entropy_with_logits(each.logits.float(), each.chosen.float())
        for each in choices
    ]
    return last, torch.stack(losses).mean() if losses else last.new_zeros(())


def gated_states(model: Transformer, option: LayerSkip, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return the stream (B, T, M) after all layers as gates let tokens through, and their penalty.

    The penalty is the squared gap between the share of tokens that goes through a routed layer, the
    mean over layers and tokens, and the capacity, times `CAPACITY_WEIGHT` and the number of these
    layers. Decisions have no gradient, so that of the gates themselves takes its place
    (straight-through, Bengio et al. 2013, arXiv:1308.3432). What the model's own loss teaches a
    gate comes by the tokens that it lets through, whose change it weighs. A single gap for all
    layers leaves it to the loss where tokens are spent.
    """
    n_layers = model.architecture.n_layers
    last, said = routed_states(model, routers_of(model, option), hidden)
    soft = torch.stack(said).float().sigmoid()  # (layers, B, T)
    use = ((soft > 0.5).float() + soft - soft.detach()).mean()
    gap = use - option.capacity(n_layers)
    return last, CAPACITY_WEIGHT * len(said) * gap.square()


def routing_option(
    model: Transformer, policy: InferencePolicy
) -> MixtureOfDepths | LayerSkip | None:
    """Return the policy's option that routes tokens in some of the layers; None without one."""
    skipping = policy.get(LayerSkip)
    if skipping is not None and skipping.routed(model.architecture.n_layers):
        return skipping
    return policy.get(MixtureOfDepths)


def taught_states(
    model: Transformer, option: MixtureOfDepths | LayerSkip, hidden: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the stream (B, T, M) as it is in training, and what routers learn by besides."""
    if isinstance(option, LayerSkip):
        return gated_states(model, option, hidden)
    return chosen_states(model, option, hidden)


def predicted_logits(
    model: Transformer, option: MixtureOfDepths | LayerSkip, tokens: Tensor
) -> Tensor:
    """Return logits (B, T, V) as the causal routers decide: what the model is worth."""
    hidden, _ = routed_states(model, routers_of(model, option), model.embed(tokens))
    logits: Tensor = model.head(hidden)
    return logits
