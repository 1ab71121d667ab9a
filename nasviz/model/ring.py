"""`Ring`: the latest keys and values as they are, with the first few where they are sinks."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from nasviz.errors import InputError
from nasviz.model.attention import attention, seen_positions, visible
from nasviz.model.layer_cache import LayerCache, Room


class WindowedLayer(LayerCache):
    """A cache in which a token sees the first `sinks` positions and the latest `window` ones.

    Its own position is one of these. A `window` of 0 is all there are, and then nothing is a sink.
    """

    def __init__(self, room: Room, window: int = 0, sinks: int = 0) -> None:
        super().__init__(room)
        self.window = window or room.max_tokens
        self.sinks = min(sinks, room.max_tokens) if window else 0

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Keep new tokens; return what `queries` gather (see `LayerCache`)."""
        new, last = keys.shape[2], queries.shape[1]
        mask = None  # a single token sees all there is
        if new > 1:
            mask = visible(self.length, new, last, self.window, self.sinks, keys.device)
        all_keys, all_values = self._extend(keys, values)  # (B, K, S, D)
        return attention(queries, all_keys, all_values, mask)

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Keep new tokens (see `LayerCache`)."""
        self._extend(keys, values)

    @abstractmethod
    def _extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep new tokens and return all that they see between them, (B, K, S, D) twice.

        The S positions are rising, as the mask has them; for a single token, which sees all of
        them, they may be in any order.
        """

    def positions(self) -> Tensor:
        """Return the positions that are kept, rising, (B, K, S)."""
        end, device = self.length, self.room.device
        latest = seen_positions(max(0, end - 1), end, self.window, self.sinks, device)
        return latest.expand(self.room.batch, self.room.n_kv_heads, -1)


class Ring(WindowedLayer):
    """Keys and values in full precision: sinks first, then slot p % window of the others."""

    def __init__(self, room: Room, window: int = 0, sinks: int = 0) -> None:
        super().__init__(room, window, sinks)
        self.slots = min(room.max_tokens, self.sinks + self.window)
        self._keys, self._values = room.empty(self.slots), room.empty(self.slots)

    @property
    def reserved_bytes(self) -> int:
        """Bytes that are allocated, filled or not."""
        return self._keys.nbytes + self._values.nbytes

    @property
    def filled_bytes(self) -> int:
        """Bytes of the positions that are kept now."""
        kept = min(self.length, self.slots)
        return self._keys[:, :, :kept].nbytes + self._values[:, :, :kept].nbytes

    def forget_after(self, length: int) -> None:
        """Forget all but the first `length` tokens (see `LayerCache`)."""
        if self.length > self.slots and length < self.length:
            raise InputError(
                f"{self.length} tokens went through {self.slots} slots, which hold the latest "
                "only: none can be taken back"
            )
        self.length = min(self.length, length)

    def _extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        position, new = self.length, keys.shape[2]
        self.length = end = position + new
        if end <= self.slots:  # nothing falls out
            self._keys[:, :, position:end] = keys
            self._values[:, :, position:end] = values
            return self._keys[:, :, :end], self._values[:, :, :end]
        if new == 1:
            slot = self._slot(position)
            self._keys[:, :, slot : slot + 1] = keys
            self._values[:, :, slot : slot + 1] = values
            return self._keys, self._values
        # A chunk: the earlier ones of its tokens still see what its later ones push out.
        seen = seen_positions(position, position, self.window, self.sinks, keys.device)
        earlier = self._slots_of(seen)
        all_keys = torch.cat((self._keys[:, :, earlier], keys), dim=2)
        all_values = torch.cat((self._values[:, :, earlier], values), dim=2)
        self._write(position, keys, values)
        return all_keys, all_values

    def _write(self, position: int, keys: Tensor, values: Tensor) -> None:
        """Put those of the new tokens that stay into their slots."""
        end = position + keys.shape[2]
        new_sinks = torch.arange(position, max(position, min(self.sinks, end)), device=keys.device)
        latest = torch.arange(max(position, self.sinks, end - self.window), end, device=keys.device)
        stay = torch.cat((new_sinks, latest))
        slots = self._slots_of(stay)
        self._keys[:, :, slots] = keys[:, :, stay - position]
        self._values[:, :, slots] = values[:, :, stay - position]

    def _slot(self, position: int) -> int:
        """Return the slot of a position that is no sink."""
        return self.sinks + (position - self.sinks) % self.window

    def _slots_of(self, positions: Tensor) -> Tensor:
        slots = self.sinks + (positions - self.sinks) % self.window
        return torch.where(positions < self.sinks, positions, slots)
