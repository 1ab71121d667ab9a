"""The matrices of a model's layers, and models in which something else stands in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import nn

from nasviz.model.shallow import shallow_copy
from nasviz.model.transformer import Attention, Block, Experts, FeedForward, Transformer

_NAMES: dict[type[nn.Module], tuple[str, ...]] = {
    Attention: ("query", "key", "value", "output"),
    FeedForward: ("gate", "up", "down"),
}


def with_matrices(
    model: Transformer, replaced: Callable[[nn.Module, nn.Module, Block], nn.Module]
) -> Transformer:
    """Return `model` with each matrix of its blocks `replaced`: (matrix, owner, block) → module.

    The owner is the attention or feed-forward part that the matrix is of. The router of experts,
    embeddings and the head stay. `model` itself is not changed.
    """
    result = shallow_copy(model)
    for block in result.blocks:
        if isinstance(block, Block):
            for owner, name in _places(block):
                setattr(owner, name, replaced(getattr(owner, name), owner, block))
    return result


def matrices_of(block: Block) -> Iterator[nn.Linear]:
    """Yield the matrices of one layer, those of each of its experts in turn."""
    for owner, name in _places(block):
        matrix = getattr(owner, name)
        assert isinstance(matrix, nn.Linear)
        yield matrix


def is_expert(owner: nn.Module, block: Block) -> bool:
    """Return whether the part of a block is one of several, of which a token visits some."""
    return isinstance(owner, FeedForward) and isinstance(block.feed_forward, Experts)


def _places(block: Block) -> Iterator[tuple[nn.Module, str]]:
    for owner in block.modules():
        for name in _NAMES.get(type(owner), ()):
            if getattr(owner, name) is not None:
                yield owner, name
