"""Where an evicting cache puts what it keeps: slots that tokens take over from each other.

Shapes: B sequences, K KV heads, T new tokens, S slots in use, D the size of a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from nasviz.model.dynamic.packed_tokens import Grid, PackedTokens
from nasviz.model.layer_cache import Room
from nasviz.space.options.kv_quantization import KVQuantization


class Slots(ABC):
    """Keys and values in `slots` places, the same for all rows until tokens replace each other."""

    # Whether tokens look the same to all later ones, so that a chunk can be stored at once.
    constant: ClassVar[bool]

    def __init__(self, slots: int) -> None:
        self.slots = slots

    @abstractmethod
    def put(self, position: int, keys: Tensor, values: Tensor) -> None:
        """Store tokens (B, K, T, D) of the first positions, each in the slot of its number."""

    @abstractmethod
    def replace(self, places: Tensor, position: int, keys: Tensor, values: Tensor) -> None:
        """Store one token (B, K, 1, D) in each head's own slot, `places` (B, K)."""

    @abstractmethod
    def read(self, positions: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Return keys and values (B, K, S, D) of the slots in use, which hold `positions`.

        `positions` is (B, K, S); `length` tokens were read.
        """

    @abstractmethod
    def filled_bytes(self, length: int) -> int:
        """Bytes in use after so many tokens were read."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes that are allocated."""


class FullSlots(Slots):
    """Slots in full precision."""

    constant = True

    def __init__(self, room: Room, slots: int) -> None:
        super().__init__(slots)
        self._rooms = room.empty(slots), room.empty(slots)

    def put(self, position: int, keys: Tensor, values: Tensor) -> None:
        """Store tokens of the first positions (see `Slots`)."""
        for room, new in zip(self._rooms, (keys, values), strict=True):
            room[:, :, position : position + new.shape[2]] = new

    def replace(self, places: Tensor, position: int, keys: Tensor, values: Tensor) -> None:
        """Store one token in each head's own slot (see `Slots`)."""
        index = places[:, :, None, None].expand_as(keys)
        for room, new in zip(self._rooms, (keys, values), strict=True):
            room.scatter_(2, index, new)

    def read(self, positions: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of the slots in use (see `Slots`)."""
        used = positions.shape[2]
        return self._rooms[0][:, :, :used], self._rooms[1][:, :, :used]

    def filled_bytes(self, length: int) -> int:
        """Bytes in use after so many tokens were read."""
        return sum(room[:, :, :length].nbytes for room in self._rooms)

    @property
    def nbytes(self) -> int:
        """Bytes that are allocated."""
        return sum(room.nbytes for room in self._rooms)


class QuantizedSlots(Slots):
    """Slots in a few bits a number, and the latest `residual` tokens in full precision besides.

    Each token is quantised by itself. The latest ones have their slots too, so that they can be
    replaced like the others; full precision hides what these hold.
    """

    constant = False

    def __init__(self, room: Room, slots: int, option: KVQuantization) -> None:
        super().__init__(slots)
        self._room = room
        self.residual = min(option.residual, room.max_tokens)
        grid = Grid(option.bits, option.group, along_tokens=False)
        self._packed = tuple(PackedTokens(grid, room, slots) for _ in range(2))
        self._latest = tuple(room.empty(self.residual) for _ in range(2))

    def put(self, position: int, keys: Tensor, values: Tensor) -> None:
        """Store tokens of the first positions (see `Slots`)."""
        for packed, new in zip(self._packed, (keys, values), strict=True):
            packed.put(position, new)
        self._keep_full(position, keys, values)

    def replace(self, places: Tensor, position: int, keys: Tensor, values: Tensor) -> None:
        """Store one token in each head's own slot (see `Slots`)."""
        for packed, new in zip(self._packed, (keys, values), strict=True):
            packed.replace(places, new)
        self._keep_full(position, keys, values)

    def read(self, positions: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of the slots in use (see `Slots`)."""
        stored = [self._room.empty(positions.shape[2]) for _ in self._packed]
        for packed, out in zip(self._packed, stored, strict=True):
            packed.read(0, out)
        if not self.residual:
            return stored[0], stored[1]
        in_full = (positions >= length - self.residual).unsqueeze(3)  # (B, K, S, 1)
        index = (positions.long() % self.residual).unsqueeze(3).expand_as(stored[0])
        full = [latest.gather(2, index) for latest in self._latest]
        keys, values = (torch.where(in_full, *pair) for pair in zip(full, stored, strict=True))
        return keys, values

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
