"""Importance from the size of weights alone: no text, no pass.

Han et al. 2015, arXiv:1506.02626, summed over the weights that go when a part goes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from nasviz.evaluation.importance.parts import blocks_of, experts_of, head_scores, unit_scores
from nasviz.model.transformer import Attention, FeedForward, Transformer
from nasviz.space.importance import Importance, Scores


@torch.no_grad()
def magnitude_importance(model: Transformer) -> Importance:
    """Return the Euclidean norm of the matrices' weights that each part consists of."""
    heads, units = head_scores(model, _heads), unit_scores(model, _units)
    experts = units.sum(dim=2)
    return Importance(
        layers=_roots(heads.sum(dim=1) + experts.sum(dim=1)),
        heads=_roots(heads),
        experts=_roots(experts),
        ff_units=_roots(units),
        channels=_channels(model).sqrt().cpu().numpy(),
    )


def _heads(attention: Attention) -> Tensor:
    """Return each query head's sum of squares, its share of the KV head it reads included: (H,)."""
    group = attention.n_heads // attention.n_kv_heads
    query = _rows(attention.query).view(attention.n_heads, -1).sum(dim=1)
    output = _columns(attention.output).view(attention.n_heads, -1).sum(dim=1)
    shared = _rows(attention.key) + _rows(attention.value)
    shared = shared.view(attention.n_kv_heads, -1).sum(dim=1) / group
    return query + output + shared.repeat_interleave(group)


def _units(part: FeedForward) -> Tensor:
    """Return each feed-forward unit's sum of squares, (d_ff,)."""
    inward = [each for each in (part.gate, part.up) if each is not None]
    return torch.stack([*map(_rows, inward), _columns(part.down)]).sum(dim=0)


def _channels(model: Transformer) -> Tensor:
    """Return each channel's sum of squares over all matrices that write or read it, (M,)."""
    total = _columns(model.token_embedding)
    for block in blocks_of(model):
        attention = block.attention
        if attention is not None:
            total = total + _rows(attention.output)
            for reads in (attention.query, attention.key, attention.value):
                total = total + _columns(reads)
        for part in experts_of(block):
            total = total + _rows(part.down)
            for inward in (part.gate, part.up):
                if inward is not None:
                    total = total + _columns(inward)
    return total


def _rows(matrix: nn.Linear) -> Tensor:
    return matrix.weight.double().square().sum(dim=1)


def _columns(matrix: nn.Linear | nn.Embedding) -> Tensor:
    return matrix.weight.double().square().sum(dim=0)


def _roots(squares: Tensor) -> Scores:
    found: Scores = np.sqrt(squares.cpu().numpy())
    return found
