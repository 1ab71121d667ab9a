"""Mixture of depths in training: the way that routers choose, and how predictors learn it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nasviz.model.dynamic.additions import routers_of
from nasviz.model.dynamic.mixture_of_depths import expert_choice, routed_states
from nasviz.model.transformer import Transformer
from nasviz.space.options.mixture_of_depths import MixtureOfDepths


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


def predicted_logits(model: Transformer, option: MixtureOfDepths, tokens: Tensor) -> Tensor:
    """Return logits (B, T, V) as the causal predictors route: what the model is worth."""
    hidden, _ = routed_states(model, routers_of(model, option), model.embed(tokens))
    logits: Tensor = model.head(hidden)
    return logits
