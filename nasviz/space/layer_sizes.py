"""`LayerSizes`: the sizes of one layer, where the layers of a model differ.

A layer may have fewer heads than the others, a narrower feed-forward part, or no attention or no
feed-forward part at all, as searches block by block and pruning layer by layer leave it (Bercovich
et al. 2024, Puzzle, arXiv:2411.19146).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nasviz.errors import InputError, check_names

NAMES = ("n_heads", "n_kv_heads", "d_ff")


@dataclass(frozen=True)
class LayerSizes:
    """The sizes of one layer: heads and the inner width of its feed-forward part.

    `n_heads` = `n_kv_heads` = 0 is a layer without attention, `d_ff` = 0 one without a feed-forward
    part. Raises `InputError` for sizes that don't fit each other, and for a layer without either.
    """

    n_heads: int
    n_kv_heads: int
    d_ff: int

    def __post_init__(self) -> None:
        for name in NAMES:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InputError(f"{name}={value!r} is not a whole number from 0 on")
        heads, kv_heads = self.n_heads, self.n_kv_heads
        if bool(heads) != bool(kv_heads):
            raise InputError(
                f"n_heads={heads} with n_kv_heads={kv_heads}: without attention both are 0, with "
                "it both are 1 or more"
            )
        if heads and heads % kv_heads:
            raise InputError(f"n_kv_heads={kv_heads} does not divide n_heads={heads}")
        if not heads and not self.d_ff:
            raise InputError(
                "n_heads=0 and d_ff=0 leave a layer that changes nothing: drop it, and say one "
                "layer less in n_layers"
            )

    @property
    def group(self) -> int:
        """Query heads that share a KV head; 0 without attention."""
        return self.n_heads // self.n_kv_heads if self.n_kv_heads else 0

    def to_json(self) -> dict[str, int]:
        """Return the sizes by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> LayerSizes:
        """Return the sizes that `data`, an object of all three, says; raises `InputError`."""
        if isinstance(data, LayerSizes):
            return data
        if not isinstance(data, Mapping):
            raise InputError(f"a layer's sizes are an object of {', '.join(NAMES)}, not {data!r}")
        check_names("size of a layer", data, NAMES)
        missing = [name for name in NAMES if name not in data]
        if missing:
            raise InputError(f"a layer's sizes lack {', '.join(missing)}")
        return cls(**data)


def read_layers(layers: object) -> tuple[LayerSizes, ...]:
    """Return the sizes of each layer in turn, given as `LayerSizes` or as their JSON.

    Raises `InputError` that names the layer, and where none has attention or a feed-forward part.
    """
    if isinstance(layers, str) or not isinstance(layers, Sequence):
        raise InputError(f"layer_sizes={layers!r} is not a list with the sizes of each layer")
    found = [_read(number, each) for number, each in enumerate(layers)]
    for name, part in (("n_heads", "attention"), ("d_ff", "a feed-forward part")):
        if found and not largest(found)[name]:
            raise InputError(f"layer_sizes: {name} is 0 in every layer; leave one with {part}")
    return tuple(found)


def _read(number: int, said: object) -> LayerSizes:
    try:
        return LayerSizes.from_json(said)
    except InputError as error:
        raise InputError(f"layer_sizes, layer {number}: {error}") from None


def largest(layers: Sequence[LayerSizes]) -> dict[str, int]:
    """Return the largest of each size among `layers`, by name."""
    return {name: max(getattr(each, name) for each in layers) for name in NAMES}


def span(layers: Sequence[LayerSizes], name: str) -> str:
    """Return one size of all layers in a few letters: `6`, or `0–6` where they differ."""
    sizes = sorted(getattr(each, name) for each in layers)
    return f"{sizes[0]:,}" if sizes[0] == sizes[-1] else f"{sizes[0]:,}–{sizes[-1]:,}"


def one_by_one(layers: Sequence[LayerSizes], name: str) -> str:
    """Return one size of each layer in turn, from the first: `6, 2, 0, 6`."""
    return ", ".join(f"{getattr(each, name):,}" for each in layers)


def check_layers(layers: Sequence[LayerSizes], n_layers: int, said: Mapping[str, Any]) -> None:
    """Raise `InputError` unless `layers` are the layers of a model with the sizes `said`.

    These are the largest of the layers'. All layers with attention have as many query heads for
    each KV head.
    """
    if len(layers) != n_layers:
        raise InputError(
            f"layer_sizes is said of {len(layers)} layers, and n_layers={n_layers}; give the sizes "
            "of each layer, or leave layer_sizes out where all are alike"
        )
    _check_groups(layers)
    for name, most in largest(layers).items():
        if said[name] != most:
            raise InputError(
                f"{name}={said[name]} is not the largest of layer_sizes; write {name}={most}"
            )


def check_within(had: LayerSizes, wanted: LayerSizes, place: str) -> None:
    """Raise `InputError` where a layer is `wanted` to have more of something than it `had`."""
    for name in NAMES:
        if getattr(wanted, name) > getattr(had, name):
            raise InputError(
                f"{name}={getattr(wanted, name)} is more than {place} has, "
                f"{getattr(had, name)}; choose at most that"
            )


def _check_groups(layers: Sequence[LayerSizes]) -> None:
    groups = [(number, each.group) for number, each in enumerate(layers) if each.group]
    first, group = groups[0]
    for number, other in groups:
        if other != group:
            raise InputError(
                f"layer_sizes: layer {number} has {other} query heads for each KV head and layer "
                f"{first} has {group}; give n_kv_heads so that all layers have as many"
            )
