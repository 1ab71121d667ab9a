"""`Architecture`: the sizes of one transformer language model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from nasviz.errors import InputError, check_names
from nasviz.space.fields import ARCHITECTURE_FIELDS
from nasviz.space.layer_sizes import LayerSizes, check_layers, largest, read_layers

Position = Literal["learned", "rope", "none"]
Norm = Literal["layernorm", "rmsnorm"]
Mlp = Literal["gelu", "relu", "relu2", "swiglu", "geglu"]
Biases = Literal["none", "qkv", "all"]

GATED: tuple[str, ...] = ("swiglu", "geglu")

# Replaced in `__post_init__` by a value that depends on the other sizes.
DERIVED: Any = None


@dataclass(frozen=True)
class Architecture:
    """The sizes of one model: frozen, hashable, to JSON and back.

    Only the first five are required. `n_kv_heads`, `head_dim` and `d_ff` default to values that
    follow from them (see `nasviz.space.fields`), and always read as numbers afterwards.

    `layer_sizes` says the sizes of each layer where they differ; `n_heads`, `n_kv_heads` and `d_ff`
    are then the largest among them, and the latter two default to these. Where all layers are
    alike it is always `()`: `sizes_of` answers in both cases.

    Raises `InputError` for a value out of range or sizes that don't fit each other.

    >>> Architecture(n_layers=2, d_model=96, n_heads=3, vocab_size=256, context_length=64).d_ff
    256
    """

    n_layers: int
    d_model: int
    n_heads: int
    vocab_size: int
    context_length: int
    n_kv_heads: int = DERIVED
    head_dim: int = DERIVED
    d_ff: int = DERIVED
    position: Position = "rope"
    norm: Norm = "rmsnorm"
    mlp: Mlp = "swiglu"
    biases: Biases = "none"
    tied_embeddings: bool = True
    qk_norm: bool = True
    parallel_block: bool = False
    experts: int = 1
    experts_per_token: int = 1
    dropout: float = 0.0
    rotary_share: float = 1.0
    rope_theta: float = 10_000.0
    rope_scaling: float = 1.0
    extra_positions: int = 0
    scaled_embedding: bool = False
    sliding_window: int = 0
    norm_eps: float = 1e-5
    gelu_tanh: bool = False
    layer_sizes: tuple[LayerSizes, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer_sizes", read_layers(self.layer_sizes))
        for field in ARCHITECTURE_FIELDS:
            value = getattr(self, field.name)
            if value is DERIVED and field.name in ("n_kv_heads", "head_dim", "d_ff"):
                value = self._derived(field.name)
            object.__setattr__(self, field.name, field.check(value))
        if self.layer_sizes:
            check_layers(self.layer_sizes, self.n_layers, vars(self))
            if len(set(self.layer_sizes)) == 1:
                object.__setattr__(self, "layer_sizes", ())
        self._check_fit()

    def _derived(self, name: str) -> int:
        if self.layer_sizes and name != "head_dim":
            return largest(self.layer_sizes)[name]
        if name == "n_kv_heads":
            return self.n_heads
        if name == "d_ff":
            return int(gated_d_ff(self.d_model) if self.gated else plain_d_ff(self.d_model))
        if self.d_model % self.n_heads:
            raise InputError(
                f"n_heads={self.n_heads} does not divide d_model={self.d_model}; "
                f"nearest: {_nearest_divisors(self.d_model, self.n_heads)}"
            )
        return self.d_model // self.n_heads

    def _check_fit(self) -> None:
        if self.n_heads % self.n_kv_heads:
            raise InputError(
                f"n_kv_heads={self.n_kv_heads} does not divide n_heads={self.n_heads}; "
                f"nearest: {_nearest_divisors(self.n_heads, self.n_kv_heads)}"
            )
        if self.position == "rope" and (self.rotary_dim < 2 or self.rotary_dim % 2):
            raise InputError(
                f"rotary positions turn pairs of dimensions, and head_dim={self.head_dim} × "
                f"rotary_share={self.rotary_share:g} gives {self.rotary_dim}: make it even, or "
                "choose position='learned'"
            )
        if self.experts_per_token > self.experts:
            raise InputError(
                f"experts_per_token={self.experts_per_token} is more than "
                f"experts={self.experts}; at most {self.experts}"
            )

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part has a gate, and so a third matrix."""
        return self.mlp in GATED

    @property
    def rotary_dim(self) -> int:
        """Dimensions of each head that rotary positions turn; 0 without rotary positions."""
        return int(self.head_dim * self.rotary_share) if self.position == "rope" else 0

    def sizes_of(self, layer: int) -> LayerSizes:
        """Return the sizes of one layer, counted from 0; raises `IndexError` beyond the last."""
        return self.sizes_by_layer[layer]

    @cached_property
    def sizes_by_layer(self) -> tuple[LayerSizes, ...]:
        """The sizes of each layer, whether they differ or not: (n_layers,)."""
        alike = LayerSizes(self.n_heads, self.n_kv_heads, self.d_ff)
        return self.layer_sizes or (alike,) * self.n_layers

    def only_layers(self, layers: Iterable[int]) -> Architecture:
        """Return the sizes of a model that has these of the layers, counted from 0, in this order.

        Raises `InputError` for a layer that there is not.
        """
        chosen = tuple(layers)
        for layer in chosen:
            if not 0 <= layer < self.n_layers:
                raise InputError(f"layer {layer} is not one of 0 to {self.n_layers - 1}")
        kept = tuple(self.sizes_by_layer[layer] for layer in chosen)
        return self.with_(n_layers=len(kept), layer_sizes=kept)

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that name these sizes: equal for equal architectures."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """A few words for a person: `6 layers × 256 wide`."""
        differ = ", sizes by layer" * bool(self.layer_sizes)
        return f"{self.n_layers} layer{'s' * (self.n_layers != 1)} × {self.d_model} wide{differ}"

    def with_(self, **changes: Any) -> Architecture:
        """Return a copy with some fields changed; derived ones follow unless they are named.

        A derived field that was set to something else than its default stays as it is. With
        `layer_sizes` those that are the largest of the layers follow, and `head_dim` stays.
        """
        check_names("architecture field", changes, ALL_NAMES)
        layers = read_layers(changes.get("layer_sizes", ()))
        if layers:
            return replace(self, **{**largest(layers), **changes})
        follows: dict[str, Any] = {
            name: DERIVED
            for name in (("head_dim",) if self.layer_sizes else ("n_kv_heads", "head_dim", "d_ff"))
            if self._is_default(name) and name not in changes
        }
        return replace(self, **{**follows, **changes})

    def _is_default(self, name: str) -> bool:
        if name == "head_dim" and self.d_model % self.n_heads:
            return False
        return bool(getattr(self, name) == self._derived(name))

    def to_json(self) -> dict[str, Any]:
        """Return every field by name, in the catalogue's order.

        `layer_sizes`, a list of objects, is the last, where layers differ.
        """
        found = {name: getattr(self, name) for name in NAMES}
        if self.layer_sizes:
            found["layer_sizes"] = [each.to_json() for each in self.layer_sizes]
        return found

    @classmethod
    def from_json(cls, data: object) -> Architecture:
        """Return the architecture that `data`, a mapping of fields, describes.

        Raises `InputError` for unknown, missing or wrong fields.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"an architecture is an object of sizes, not {data!r}")
        check_names("architecture field", data, ALL_NAMES)
        missing = [name for name in REQUIRED if name not in data]
        if missing:
            raise InputError(f"the architecture lacks {', '.join(missing)}")
        return cls(**data)


REQUIRED = ("n_layers", "d_model", "n_heads", "vocab_size", "context_length")
NAMES = tuple(field.name for field in ARCHITECTURE_FIELDS)
ALL_NAMES = (*NAMES, "layer_sizes")


def plain_d_ff(d_model: Any) -> Any:
    """Return 4 × `d_model` (an int or an integer array)."""
    return 4 * d_model


def gated_d_ff(d_model: Any) -> Any:
    """Return the multiple of 8 nearest above 8/3 × `d_model`, so that a gated part costs the same.

    Shazeer 2020 (arXiv:2002.05202) shrinks the width by 2/3 for the third matrix.
    """
    return 8 * -(-d_model // 3)


def _nearest_divisors(whole: int, wanted: int) -> str:
    divisors = [n for n in range(1, whole + 1) if whole % n == 0]
    below = [n for n in divisors if n < wanted][-1:]
    above = [n for n in divisors if n > wanted][:1]
    return ", ".join(str(n) for n in below + above)
