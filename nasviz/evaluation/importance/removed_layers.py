"""Layers ranked by what is lost without them: one at a time, or one after the other.

Kim et al. 2024, Shortened LLaMA, arXiv:2402.02834 (perplexity); Song et al. 2024, SLEB,
arXiv:2402.09025 (one after the other).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nasviz.evaluation.importance.texts import nats_on
from nasviz.evaluation.scoring import evaluating
from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.importance import Scores
from nasviz.space.kept import Indices


@torch.no_grad()
def perplexity_drop(model: Transformer, texts: Tensor) -> Scores:
    """Return the loss on texts (B, T) without each layer, less the whole model's: (L,), nats."""
    layers = range(model.architecture.n_layers)
    if len(layers) == 1:
        return np.zeros(1)  # nothing can be removed
    with evaluating(model):
        whole = nats_on(model, texts)
        without = [_without(model, texts, tuple(layers), layer) for layer in layers]
    return np.array(without) - whole


@torch.no_grad()
def greedy_layers(model: Transformer, texts: Tensor, n_layers: int) -> Indices:
    """Return the layers that stay when the least missed one goes, until `n_layers` are left."""
    layers = tuple(range(model.architecture.n_layers))
    with evaluating(model):
        while len(layers) > n_layers:
            losses = [_without(model, texts, layers, layer) for layer in layers]
            gone = layers[int(np.argmin(losses))]
            layers = tuple(layer for layer in layers if layer != gone)
    return layers


def _without(model: Transformer, texts: Tensor, layers: Indices, gone: int) -> float:
    """Return the loss with these layers but one; weights are shared, nothing is copied."""
    rest = [layer for layer in layers if layer != gone]
    part = subnetwork(model, model.architecture.only_layers(rest), rest)
    return nats_on(part, texts)
