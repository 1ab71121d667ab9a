"""`KVCache`: the keys and values of tokens that were read, so that they are computed once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nasviz.errors import InputError
from nasviz.model.layer_cache import LayerCache, Room
from nasviz.model.ring import Ring
from nasviz.space.architecture import Architecture


class KVCache:
    """Preallocated keys and values of every layer, for `batch` sequences read in step.

    What a query attends to is the business of the layers' own caches: by default everything, or,
    with the architecture's sliding window, its tokens alone (see `Ring`); others are made by
    `nasviz.model.dynamic.caches.new_cache`. Layers fill independently, so a range of layers can be
    run before the rest.
    """

    def __init__(
        self,
        architecture: Architecture,
        max_tokens: int | None = None,
        *,
        batch: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        layer_cache: Callable[[int, Room], LayerCache] | None = None,
    ) -> None:
        """Reserve room for `max_tokens` positions (default: the architecture's context).

        `layer_cache` makes each layer's own, given the layer's number and its room.
        """
        self.architecture = architecture
        self.max_tokens = architecture.context_length if max_tokens is None else max_tokens
        if self.max_tokens < 1 or batch < 1:
            raise InputError(f"a cache of {max_tokens} tokens × {batch} sequences holds nothing")
        make = layer_cache or (lambda _, room: Ring(room, architecture.sliding_window))
        widths = [(each.n_kv_heads, architecture.head_dim) for each in architecture.sizes_by_layer]
        rooms = [Room(self.max_tokens, batch, *width, dtype, device) for width in widths]
        self._layers = [make(layer, room) for layer, room in enumerate(rooms)]
        self._passed = [0] * architecture.n_layers  # tokens that a layer never saw
        # What `attend` was given last: the queries and the new tokens' keys.
        self.asked: tuple[Tensor, Tensor] | None = None

    @property
    def length(self) -> int:
        """Tokens that the first layer has let pass: the position of the next one there."""
        return self.length_of(0)

    def length_of(self, layer: int) -> int:
        """Tokens that `layer` has let pass: the position of the next one there.

        Those that are no longer kept count, and those that it never saw.
        """
        return self._layers[layer].length + self._passed[layer]

    def pass_over(self, layer: int, tokens: int) -> None:
        """Let `tokens` pass that `layer` never sees, so that later ones have their positions."""
        self._passed[layer] += tokens

    @property
    def reads_queries(self) -> bool:
        """Whether what is kept depends on the queries, so that each token needs its own."""
        return self._layers[0].reads_queries

    def positions(self, layer: int) -> Tensor:
        """Return which tokens `layer` keeps, rising, (batch, n_kv_heads, kept).

        Counted among those that it saw: their positions, unless some were passed over.
        """
        return self._layers[layer].positions()

    @property
    def reserved_bytes(self) -> int:
        """Bytes that are allocated, filled or not."""
        return sum(each.reserved_bytes for each in self._layers)

    @property
    def filled_bytes(self) -> int:
        """Bytes of what is kept now."""
        return sum(each.filled_bytes for each in self._layers)

    def clear(self) -> None:
        """Forget every token; the room stays reserved."""
        for each in self._layers:
            each.clear()
        self._passed = [0] * len(self._layers)
        self.asked = None

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Keep new tokens in `layer`; return what `queries` gather, (batch, L, n_heads, head_dim).

        `keys` and `values` (batch, n_kv_heads, T, head_dim) are the T new tokens', `queries`
        (batch, L, n_heads, head_dim) those of the last L of them. Raises `InputError` beyond
        `max_tokens`.
        """
        self._check_room(layer, keys.shape[2])
        self.asked = queries, keys
        return self._layers[layer].attend(queries, keys, values)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Keep new tokens' keys and values (batch, n_kv_heads, T, head_dim) that nobody reads yet.

        Raises `InputError` beyond `max_tokens`.
        """
        self._check_room(layer, keys.shape[2])
        self._layers[layer].append(keys, values)

    def forget_after(self, length: int) -> None:
        """Forget all but the first `length` tokens in every layer.

        Raises `InputError` where a layer has let go of some of these already.
        """
        for each in self._layers:
            each.forget_after(length)

    def _check_room(self, layer: int, new: int) -> None:
        length = self._layers[layer].length
        if length + new > self.max_tokens:
            raise InputError(
                f"{length} + {new} tokens do not fit into a cache of {self.max_tokens}; "
                "reserve more, or read the latest part of the text anew"
            )
