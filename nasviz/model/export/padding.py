"""Models whose layers differ, padded with zeros to layers that are all alike.

The families of `transformers` have no others. Every layer gets the sizes of the largest one. A head
that was added writes nothing, since its columns of the output matrix are zero, and so does a
feed-forward unit by its column of the last matrix; a part that a layer has not at all has nothing
but zeros, its biases and its norm included. The logits are the same, not just near; the zeros take
memory and operations that the model itself doesn't.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nasviz.model.export.family import Weights
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture


def all_alike(architecture: Architecture) -> Architecture:
    """Return the sizes with every layer like the largest; the same where all are alike."""
    return architecture.with_(layer_sizes=())


def padded(model: Transformer) -> Weights:
    """Return the model's weights, those of each layer padded to the sizes of `all_alike`."""
    weights = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    if not model.architecture.layer_sizes:
        return weights
    with torch.device("meta"):
        whole = Transformer(all_alike(model.architecture)).state_dict()
    like = model.token_embedding.weight
    return {name: _padded(weights.get(name), each.shape, like) for name, each in whole.items()}


def padding_bytes(model: Transformer) -> int:
    """Return the bytes that `padded` adds; 0 where all layers are alike."""
    own: int = sum(tensor.nbytes for tensor in model.state_dict().values())
    whole: int = sum(tensor.nbytes for tensor in padded(model).values())
    return whole - own


def _padded(tensor: Tensor | None, shape: torch.Size, like: Tensor) -> Tensor:
    """Return a weight at the beginning of zeros of that shape; one that is missing is all zeros."""
    if tensor is not None and tensor.shape == shape:
        return tensor
    result = like.new_zeros(shape)
    if tensor is not None:
        result[tuple(map(slice, tensor.shape))] = tensor
    return result
