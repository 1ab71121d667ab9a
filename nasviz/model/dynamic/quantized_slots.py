"""`QuantizedSlots`: an evicting cache's tokens in a few bits a number.

Shapes: B sequences, K KV heads, T new tokens, S slots in use, D the size of a head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from nasviz.model.dynamic.packed_tokens import Grid, PackedTokens
from nasviz.model.dynamic.slots import Slots
from nasviz.model.layer_cache import Room
from nasviz.space.options.kv_quantization import KVQuantization


class QuantizedSlots(Slots):
    """Slots in a few bits a number, and the latest `residual` tokens in full precision besides.

    Each token is quantised by itself. The latest ones have their slots too, so that they can be
    replaced like the others; full precision hides what these hold.

    While a chunk is read, what its tokens find is kept in plain numbers, in which only what changes
    is written: unpacking all slots for each token of a prompt took four times longer.
    """

    constant = False

    def __init__(self, room: Room, slots: int, option: KVQuantization) -> None:
        super().__init__(slots)
        self._room = room
        self.residual = min(option.residual, room.max_tokens)
        grid = Grid(option.bits, option.group, along_tokens=False)
        self._packed = tuple(PackedTokens(grid, room, slots) for _ in range(2))
        self._latest = tuple(room.empty(self.residual) for _ in range(2))
        self._plain: tuple[Tensor, ...] = ()

    def put(self, position: int, keys: Tensor, values: Tensor) -> None:
        """Store tokens of the first positions (see `Slots`)."""
        new = (keys, values)
        for packed, each in zip(self._packed, new, strict=True):
            packed.put(position, each)
        for number, plain in enumerate(self._plain):
            plain[:, :, position : position + keys.shape[2]] = new[number]
        self._keep_full(position, keys, values)

    def replace(self, places: Tensor, position: int, keys: Tensor, values: Tensor) -> None:
        """Store one token in each head's own slot (see `Slots`)."""
        new = (keys, values)
        for packed, each in zip(self._packed, new, strict=True):
            packed.replace(places, each)
        index = places[:, :, None, None].expand_as(keys)
        for number, plain in enumerate(self._plain):
            plain.scatter_(2, index, new[number])
        self._keep_full(position, keys, values)

    def read(self, positions: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of the slots in use (see `Slots`)."""
        if not self._plain:
            keys, values = self._unpacked(positions, length)
            return keys, values
        self._quantize_plain(positions == length - 1 - self.residual)
        used = positions.shape[2]
        return self._plain[0][:, :, :used], self._plain[1][:, :, :used]

    @contextmanager
    def chunk(self, positions: Tensor, length: int) -> Iterator[None]:
        """Keep plain numbers within the context (see `Slots`)."""
        self._plain = tuple(self._room.empty(self.slots) for _ in range(2))
        for plain, found in zip(self._plain, self._unpacked(positions, length), strict=True):
            plain[:, :, : positions.shape[2]] = found
        try:
            yield
        finally:
            self._plain = ()

    def filled_bytes(self, length: int) -> int:
        """Bytes in use after so many tokens were read."""
        packed = sum(each.filled_bytes(min(length, self.slots)) for each in self._packed)
        return packed + sum(each[:, :, :length].nbytes for each in self._latest)

    @property
    def nbytes(self) -> int:
        """Bytes that are allocated."""
        packed = sum(each.nbytes for each in self._packed)
        return packed + sum(each.nbytes for each in self._latest)

    def _keep_full(self, position: int, keys: Tensor, values: Tensor) -> None:
        if not self.residual:
            return
        kept = min(keys.shape[2], self.residual)
        end = position + keys.shape[2]
        places = torch.arange(end - kept, end, device=keys.device) % self.residual
        for latest, new in zip(self._latest, (keys, values), strict=True):
            latest[:, :, places] = new[:, :, -kept:]

    def _unpacked(self, positions: Tensor, length: int) -> list[Tensor]:
        """Return keys and values of the slots in use, (B, K, S, D) twice, as they are stored."""
        stored = [self._room.empty(positions.shape[2]) for _ in self._packed]
        for packed, out in zip(self._packed, stored, strict=True):
            packed.read(0, out)
        if not self.residual:
            return stored
        in_full = (positions >= length - self.residual).unsqueeze(3)  # (B, K, S, 1)
        index = (positions.long() % self.residual).unsqueeze(3).expand_as(stored[0])
        full = [latest.gather(2, index) for latest in self._latest]
        return [torch.where(in_full, *pair) for pair in zip(full, stored, strict=True)]

    def _quantize_plain(self, leaving: Tensor) -> None:
        """Round, in the plain numbers, the token that no longer is in full precision.

        `leaving` (B, K, S) says in which slot it is, if it still is in one.
        """
        places = leaving.int().argmax(dim=2)  # (B, K)
        there = leaving.any(dim=2)[:, :, None, None]
        index = places[:, :, None, None].expand(-1, -1, 1, self._room.head_dim)
        for packed, plain in zip(self._packed, self._plain, strict=True):
            token = self._room.empty(1)
            packed.read_at(places, token)
            plain.scatter_(2, index, torch.where(there, token, plain.gather(2, index)))
