"""What a parent is pruned to: shallower, thinner in every layer, narrower."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture

# These two have the same number of weights, but for norms: one cut in depth, one in width.
DEPTH = "half of the layers"
WIDTH = "half of every layer"


def _resized(parent: Architecture, **sizes: Any) -> Architecture:
    """Return `parent` with other sizes; what followed from the old ones stays as it is."""
    return Architecture.from_json({**parent.to_json(), **sizes})


def _half_of_every_layer(parent: Architecture) -> Architecture:
    return _resized(
        parent,
        n_heads=parent.n_heads // 2,
        n_kv_heads=parent.n_kv_heads // 2,
        d_ff=parent.d_ff // 2,
    )


TARGETS: Mapping[str, Callable[[Architecture], Architecture]] = MappingProxyType(
    {
        DEPTH: lambda parent: _resized(parent, n_layers=parent.n_layers // 2),
        "two thirds of the layers": lambda parent: _resized(
            parent, n_layers=round(parent.n_layers * 2 / 3)
        ),
        WIDTH: _half_of_every_layer,
        "three quarters of the width": lambda parent: _resized(
            parent, d_model=parent.d_model * 3 // 4
        ),
    }
)

# Importance by which these targets are cut, the usual one first; they are also cut by chance.
METHODS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        DEPTH: ("block_influence", "taylor", "magnitude"),
        WIDTH: ("activation", "taylor", "magnitude"),
    }
)
USUAL = "activation"  # how the other targets are cut, with block influence for layers
# One draw may be a lucky one: six layers can be halved in twenty ways.
DRAWS = 3


def targets_of(parent: Architecture) -> dict[str, Architecture]:
    """Return the targets of `parent` by name.

    Raises `InputError` for a parent that is too small or too odd to be halved.
    """
    if parent.layer_sizes:
        raise InputError(
            "layer_sizes differ by layer, which leaves no half of every layer; choose a parent "
            "whose layers are alike"
        )
    for name in ("n_layers", "n_heads", "n_kv_heads", "d_ff"):
        if getattr(parent, name) % 2:
            raise InputError(
                f"{name}={getattr(parent, name)} can't be halved; choose a parent with even "
                "n_layers, n_heads, n_kv_heads and d_ff"
            )
    if parent.n_layers < 4:
        raise InputError(f"n_layers={parent.n_layers} leaves little to cut; 4 layers or more")
    return {name: target(parent) for name, target in TARGETS.items()}
