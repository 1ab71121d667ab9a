"""Mixture of depths in training: routers choose among all tokens of a text.

Without training it is a routed walk like any other (`nasviz.model.dynamic.routed`). Shapes: B
sequences, T tokens, k of them that a layer computes, M width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nasviz.model.dynamic.additions import routers_of
from nasviz.model.dynamic.routed import routed_layer
from nasviz.model.dynamic.routers import Routers
from nasviz.model.transformer import Transformer
from nasviz.space.options.mixture_of_depths import MixtureOfDepths


@dataclass(frozen=True)
class Choice:
    """What one routed layer chose in training, (B, T): `chosen`, and the predictor's `logits`."""

    chosen: Tensor
    logits: Tensor


def expert_choice(
    model: Transformer, option: MixtureOfDepths, hidden: Tensor
) -> tuple[Tensor, list[Choice]]:
    """Return the stream (B, T, M) as it is in training, and what each routed layer chose.

    A layer takes the tokens of each text that its router scores highest. Predictors read the stream
    without changing it: their gradient ends there.
    """
    routers = routers_of(model, option)
    assert isinstance(routers, Routers)  # mixture of depths has no other kind
    choices = []
    done = 0
    for layer in routers.layers:
        hidden = model.run_layers(hidden, done, layer)
        done = layer + 1
        scores = routers.score(layer, hidden)  # (B, T)
        top = scores.topk(option.chosen(hidden.shape[1]), dim=1).indices.sort(dim=1).values
        chosen = torch.zeros_like(scores, dtype=torch.bool).scatter(1, top, True)
        choices.append(Choice(chosen, routers.predict(layer, hidden.detach())))
        hidden = routed_layer(model, layer, hidden, top, partial(_at, scores.gather(1, top)))
    return model.run_layers(hidden, done), choices


def _at(scores: Tensor, going: Tensor) -> Tensor:
    """Return scores that are known already, of the tokens that are `going`."""
    return scores
