"""Where an evicting cache puts what it keeps: slots that tokens take over from each other.

Shapes: B sequences, K KV heads, T new tokens, S slots in use, D the size of a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

from torch import Tensor

from nasviz.model.layer_cache import Room


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

    def chunk(self, positions: Tensor, length: int) -> AbstractContextManager[None]:
        """Return a context within which tokens are stored and read one after the other.

        Before it `length` tokens were read, and the slots in use hold `positions` (B, K, S).
        """
        return nullcontext()

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
