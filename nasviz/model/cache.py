"""`KVCache`: the keys and values of tokens that were read, so that they are computed once."""

from __future__ import annotations

import torch
from torch import Tensor

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture


class KVCache:
    """Preallocated keys and values of every layer, for `batch` sequences read in step.

    With a sliding window only its tokens are kept: slot p % window holds position p. Layers fill
    independently, so a range of layers can be run before the rest.
    """

    def __init__(
        self,
        architecture: Architecture,
        max_tokens: int | None = None,
        *,
        batch: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Reserve room for `max_tokens` positions (default: the architecture's context)."""
        self.architecture = architecture
        self.max_tokens = architecture.context_length if max_tokens is None else max_tokens
        if self.max_tokens < 1 or batch < 1:
            raise InputError(f"a cache of {max_tokens} tokens × {batch} sequences holds nothing")
        window = architecture.sliding_window
        self.slots = min(self.max_tokens, window) if window else self.max_tokens
        shape = (batch, architecture.n_kv_heads, self.slots, architecture.head_dim)
        layers = range(architecture.n_layers)
        self._keys = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self._values = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self._lengths = [0] * architecture.n_layers

    @property
    def length(self) -> int:
        """Tokens that the first layer has read, those that fell out of the window included."""
        return self._lengths[0]

    def length_of(self, layer: int) -> int:
        """Tokens that `layer` has read, those that fell out of the window included."""
        return self._lengths[layer]

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one kept position of the whole batch takes, in all layers."""
        keys = self._keys[0]
        per_layer = 2 * keys.shape[0] * keys.shape[1] * keys.shape[3] * keys.element_size()
        return per_layer * self.architecture.n_layers

    @property
    def reserved_bytes(self) -> int:
        """Bytes that are allocated, filled or not."""
        return self.bytes_per_token * self.slots

    @property
    def filled_bytes(self) -> int:
        """Bytes of the positions that are kept now."""
        per_layer = self.bytes_per_token // self.architecture.n_layers
        return per_layer * sum(min(length, self.slots) for length in self._lengths)

    def clear(self) -> None:
        """Forget every token; the room stays reserved."""
        self._lengths = [0] * self.architecture.n_layers

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep `keys` and `values` (batch, n_kv_heads, T, head_dim); return all there is to attend.

        The result has T' positions, the new ones last; for a single token in a full window the
        order is the ring's, which attention doesn't see. Raises `InputError` beyond `max_tokens`.
        """
        length, new = self._lengths[layer], keys.shape[2]
        if length + new > self.max_tokens:
            raise InputError(
                f"{length} + {new} tokens do not fit into a cache of {self.max_tokens}; "
                "reserve more, or read the latest part of the text anew"
            )
        self._lengths[layer] = length + new
        kept_keys, kept_values = self._keys[layer], self._values[layer]
        if length + new <= self.slots:  # nothing falls out
            kept_keys[:, :, length : length + new] = keys
            kept_values[:, :, length : length + new] = values
            return kept_keys[:, :, : length + new], kept_values[:, :, : length + new]
        if new == 1:
            slot = length % self.slots
            kept_keys[:, :, slot : slot + 1] = keys
            kept_values[:, :, slot : slot + 1] = values
            return kept_keys, kept_values
        # A chunk: the earlier ones of its tokens still see what its later ones push out.
        earlier = torch.arange(max(0, length - self.slots), length, device=keys.device) % self.slots
        all_keys = torch.cat((kept_keys[:, :, earlier], keys), dim=2)
        all_values = torch.cat((kept_values[:, :, earlier], values), dim=2)
        end = length + new
        slots = torch.arange(end - self.slots, end, device=keys.device) % self.slots
        kept_keys[:, :, slots] = all_keys[:, :, -self.slots :]
        kept_values[:, :, slots] = all_values[:, :, -self.slots :]
        return all_keys, all_values
