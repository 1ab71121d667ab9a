"""What a block of a trained model can be replaced by, and the models that such choices make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.importance import Importance, choose
from nasviz.space.kept import Kept
from nasviz.space.layer_sizes import LayerSizes

# A block's sizes; None where the whole block goes.
Choice = LayerSizes | None
Choices = tuple[tuple[Choice, ...], ...]  # of each layer, equally many

GridName = Literal["halves", "quarters"]
# Shares of its KV heads and of its feed-forward units that a block may keep, in all combinations.
GRIDS: Mapping[GridName, tuple[float, ...]] = MappingProxyType(
    {"halves": (1.0, 0.5, 0.0), "quarters": (1.0, 0.75, 0.5, 0.25, 0.0)}
)


def choices_of(parent: Architecture, grid: GridName) -> Choices:
    """Return what each block of `parent` can become: first of all, what it is.

    KV heads go with all the query heads that they serve. Where heads are too few for every share,
    choices that no layer needs twice are said once. Raises `InputError` for a model of one layer.

    >>> parent = Architecture(2, 96, 3, vocab_size=256, context_length=64, d_ff=100)
    >>> [len(each) for each in choices_of(parent, "halves")]
    [9, 9]
    """
    if parent.n_layers == 1:
        raise InputError("a model of one layer has no layers to tell apart; prune it as a whole")
    shares = GRIDS[grid]
    columns = [
        tuple(_cut(own, attention, inner) for own in parent.sizes_by_layer)
        for attention in shares
        for inner in shares
    ]
    return tuple(zip(*dict.fromkeys(columns), strict=True))


def _cut(own: LayerSizes, attention: float, inner: float) -> Choice:
    """Return a layer's sizes with a share of its KV heads and units; one of each at the least."""
    kv_heads = max(round(own.n_kv_heads * attention), int(attention > 0 and own.n_kv_heads > 0))
    d_ff = max(round(own.d_ff * inner), int(inner > 0 and own.d_ff > 0))
    if not kv_heads and not d_ff:
        return None
    return LayerSizes(kv_heads * own.group, kv_heads, d_ff)


def picked(choices: Choices, chosen: Sequence[int]) -> tuple[Choice, ...]:
    """Return what each layer becomes, by the number of one of its choices."""
    return tuple(layer[number] for layer, number in zip(choices, chosen, strict=True))


def architecture_of(parent: Architecture, layers: Sequence[Choice]) -> Architecture:
    """Return the sizes of `parent` with its layers replaced, those that are None left out.

    Raises `InputError` where no attention or no feed-forward part is left.
    """
    left = tuple(each for each in layers if each is not None)
    return parent.with_(n_layers=len(left), layer_sizes=left)


def needs_of(choices: Choices) -> tuple[NDArray[np.bool_], ...]:
    """Return which choices have attention, and which a feed-forward part: a model needs both."""
    return (
        np.array([[each is not None and each.n_heads > 0 for each in layer] for layer in choices]),
        np.array([[each is not None and each.d_ff > 0 for each in layer] for layer in choices]),
    )


def kept_by(parent: Architecture, importance: Importance, layers: Sequence[Choice]) -> Kept:
    """Return the most important parts of each layer that come to its sizes in `layers`."""
    places = [number for number, each in enumerate(layers) if each is not None]
    return choose(parent, architecture_of(parent, layers), importance, places)
