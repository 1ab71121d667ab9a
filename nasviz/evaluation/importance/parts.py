"""The parts of a model's layers, named alike whether a layer is dense or has experts."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from nasviz.model.transformer import Attention, Block, Experts, FeedForward, Transformer


def blocks_of(model: Transformer) -> list[Block]:
    """Return the layers."""
    return cast("list[Block]", list(model.blocks))


def experts_of(block: Block) -> list[FeedForward]:
    """Return a layer's experts; a dense layer's only feed-forward part, if it has one."""
    if isinstance(block.feed_forward, Experts):
        return cast("list[FeedForward]", list(block.feed_forward.experts))
    return [] if block.feed_forward is None else [block.feed_forward]


def norms_of(model: Transformer) -> list[nn.Module]:
    """Return all norms of the residual stream, the final one last."""
    of_layers = [
        norm
        for block in blocks_of(model)
        for norm in (block.attention_norm, block.feed_forward_norm)
        if norm is not None
    ]
    return [*of_layers, model.head.norm]


def head_scores(model: Transformer, of: Callable[[Attention], Tensor]) -> Tensor:
    """Return what `of` says of the query heads of every layer: (L, H), 0 where it has fewer."""
    found = _zeros(model, model.architecture.n_heads)
    for layer, block in enumerate(blocks_of(model)):
        if block.attention is not None:
            scores = of(block.attention)
            found[layer, : len(scores)] = scores
    return found


def unit_scores(model: Transformer, of: Callable[[FeedForward], Tensor]) -> Tensor:
    """Return what `of` says of the units of every expert of every layer: (L, X, F), 0 as above."""
    found = _zeros(model, model.architecture.experts, model.architecture.d_ff)
    for layer, block in enumerate(blocks_of(model)):
        for number, part in enumerate(experts_of(block)):
            scores = of(part)
            found[layer, number, : len(scores)] = scores
    return found


def _zeros(model: Transformer, *shape: int) -> Tensor:
    device = model.token_embedding.weight.device
    return torch.zeros(model.architecture.n_layers, *shape, dtype=torch.float64, device=device)
