"""From a family's form of its weights to ours: the inverse of `nasviz.model.export.rearrange`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from nasviz.errors import InputError
from nasviz.model.export.family import Weights
from nasviz.space.architecture import Architecture


@dataclass(frozen=True)
class Restore:
    """`stored_names`: what a family stores for our names; `weights`: our tensors from its own.

    Both under our paths, `attention.joined` being query, key and value in one.
    """

    stored_names: Callable[[Iterable[str]], list[str]]
    weights: Callable[[Weights], Weights]


def _joined_names(names: Iterable[str]) -> list[str]:
    kept = [
        name for name in names if ".attention.key." not in name and ".attention.value." not in name
    ]
    return [name.replace(".attention.query.", ".attention.joined.") for name in kept]


def _split(weights: Weights) -> Weights:
    """Return GPT-2's matrices as (outputs, inputs), and query, key and value apart."""
    result: Weights = {}
    for name, tensor in weights.items():
        ours = tensor.T if name.startswith("blocks.") and tensor.ndim == 2 else tensor
        if ".attention.joined." not in name:
            result[name] = ours
            continue
        if ours.shape[0] % 3:
            raise InputError(f"{name!r} has {ours.shape[0]} rows: no query, key and value")
        for part, piece in zip(("query", "key", "value"), torch.chunk(ours, 3), strict=True):
            result[name.replace(".joined.", f".{part}.")] = piece
    return result


AS_THEY_ARE = Restore(stored_names=list, weights=lambda weights: weights)

RESTORED: Mapping[str, Restore] = MappingProxyType(
    {
        "gpt2": Restore(_joined_names, _split),
        "llama": AS_THEY_ARE,
        "mistral": AS_THEY_ARE,
        "qwen2": AS_THEY_ARE,
        "qwen3": AS_THEY_ARE,
    }
)


def neighbours(architecture: Architecture, weights: Weights) -> Weights:
    """Return the rotated dimensions of each head in our order, partners side by side.

    Theirs are half a head apart: see `nasviz.model.export.rearrange.half_split`.
    """
    if architecture.position != "rope":
        return weights
    half, head_dim = architecture.rotary_dim // 2, architecture.head_dim
    order = [place for pair in range(half) for place in (pair, pair + half)]
    order += range(2 * half, head_dim)
    return {
        name: tensor.reshape(-1, head_dim, *tensor.shape[1:])[:, order].reshape(tensor.shape)
        if any(f".attention.{each}" in name for each in ("query", "key"))
        else tensor
        for name, tensor in weights.items()
    }
