"""The parts of a model's layers, named alike whether a layer is dense or has experts."""

from __future__ import annotations

from typing import cast

from torch import nn

from nasviz.model.transformer import Block, Experts, FeedForward, Transformer


def blocks_of(model: Transformer) -> list[Block]:
    """Return the layers."""
    return cast("list[Block]", list(model.blocks))


def experts_of(block: Block) -> list[FeedForward]:
    """Return a layer's experts; a dense layer's only feed-forward part."""
    if isinstance(block.feed_forward, Experts):
        return cast("list[FeedForward]", list(block.feed_forward.experts))
    return [block.feed_forward]


def norms_of(model: Transformer) -> list[nn.Module]:
    """Return all norms of the residual stream, the final one last."""
    of_layers = [
        norm
        for block in blocks_of(model)
        for norm in (block.attention_norm, block.feed_forward_norm)
    ]
    return [*of_layers, model.head.norm]
