"""Where a family keeps its weights in another form than ours: joined, transposed or shifted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nasviz.model.export.family import Weights
from nasviz.space.architecture import Architecture


def half_split(architecture: Architecture, weights: Weights) -> Weights:
    """Return the rotated dimensions of each head in the order of Llama and GPT-NeoX.

    We turn dimensions 2i and 2i + 1 together, they turn i and i + rotary_dim / 2: all first
    partners come first, then all second ones, then what is not rotated. Attention sums over a
    head's dimensions, so their order changes nothing else.
    """
    if architecture.position != "rope":
        return weights
    rotary_dim, head_dim = architecture.rotary_dim, architecture.head_dim
    order = [
        *range(0, rotary_dim, 2),
        *range(1, rotary_dim, 2),
        *range(rotary_dim, head_dim),
    ]
    return {
        name: _by_head(tensor, head_dim)[:, order].reshape(tensor.shape)
        if any(f".attention.{each}" in name for each in ("query", "key"))
        else tensor
        for name, tensor in weights.items()
    }


def _by_head(tensor: Tensor, head_dim: int) -> Tensor:
    """Return a matrix, bias or norm weight as (heads, head_dim, …)."""
    return tensor.reshape(-1, head_dim, *tensor.shape[1:])


def zero_biases(architecture: Architecture, weights: Weights) -> Weights:
    """Return the weights with a bias of zeros wherever there is none: GPT-2 and kin need them all.

    The logits are the same, and the exported model has that many zeros more.
    """
    zeros = {}
    for name, tensor in weights.items():
        path = name.removesuffix(".weight")
        if path != name and (path.startswith("blocks.") or path == "head.norm"):
            zeros[f"{path}.bias"] = tensor.new_zeros(tensor.shape[0])
    return {**zeros, **weights}


def gpt2(architecture: Architecture, weights: Weights) -> Weights:
    """Return queries, keys and values as one matrix, and every block's matrix transposed.

    GPT-2's `Conv1D` keeps its matrices as (inputs, outputs).
    """
    whole = zero_biases(architecture, weights)
    joined = _joined(whole, lambda q, k, v: torch.cat((q, k, v)))
    return {
        name: tensor.T if name.startswith("blocks.") and tensor.ndim == 2 else tensor
        for name, tensor in joined.items()
    }


def gpt_neox(architecture: Architecture, weights: Weights) -> Weights:
    """Return queries, keys and values as one matrix, by head: q₀ k₀ v₀ q₁ k₁ v₁ and so on."""
    heads = architecture.n_heads

    def by_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        split = [
            part.reshape(heads, -1, *part.shape[1:]) for part in (q, k, v)
        ]  # (heads, head_dim, …)
        return torch.stack(split, dim=1).flatten(0, 2)  # (heads · 3 · head_dim, …)

    return _joined(zero_biases(architecture, weights), by_head)


def gemma(architecture: Architecture, weights: Weights) -> Weights:
    """Return norm weights less 1: Gemma's norms multiply by 1 + weight."""
    return {
        name: tensor - 1 if name.endswith("norm.weight") else tensor
        for name, tensor in weights.items()
    }


def _joined(weights: Weights, join: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Weights:
    """Return `weights` with each layer's query, key and value joined into `attention.joined`."""
    result = {}
    for name, tensor in weights.items():
        if ".attention.query." in name:
            key = weights[name.replace(".query.", ".key.")]
            value = weights[name.replace(".query.", ".value.")]
            result[name.replace(".query.", ".joined.")] = join(tensor, key, value)
        elif ".attention.key." not in name and ".attention.value." not in name:
            result[name] = tensor
    return result
