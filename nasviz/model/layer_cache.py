"""`LayerCache`: what one layer keeps of the tokens that it read, and how new ones attend to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nasviz.errors import InputError


@dataclass(frozen=True)
class Room:
    """What a layer's cache is made for: at most `max_tokens` tokens of `batch` sequences."""

    max_tokens: int
    batch: int
    n_kv_heads: int
    head_dim: int
    dtype: torch.dtype
    device: torch.device | str

    def empty(self, tokens: int) -> Tensor:
        """Return room for the keys or the values of so many tokens, (B, K, tokens, D)."""
        shape = (self.batch, self.n_kv_heads, tokens, self.head_dim)
        return torch.empty(shape, dtype=self.dtype, device=self.device)


class LayerCache(ABC):
    """The keys and values that one layer keeps; which, and how they are stored, is its business.

    Tokens are read in order, `batch` sequences in step. A token of a chunk sees exactly what it
    would see had the chunk been read token by token.
    """

    # Whether what is kept depends on the queries, so that each token needs its own.
    reads_queries = False

    def __init__(self, room: Room) -> None:
        self.room = room
        self.length = 0  # tokens read, those that are no longer kept included

    @abstractmethod
    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Keep new tokens and return what `queries` gather from all that is kept, (B, L, H, D).

        `keys` and `values` (B, K, T, D) are those of the T new tokens, `queries` (B, L, H, D) those
        of the last L of them.
        """

    @abstractmethod
    def append(self, keys: Tensor, values: Tensor) -> None:
        """Keep new tokens' `keys` and `values` (B, K, T, D), which nobody attends to yet."""

    @abstractmethod
    def positions(self) -> Tensor:
        """Return the positions that are kept, rising, (B, K, S)."""

    @property
    @abstractmethod
    def reserved_bytes(self) -> int:
        """Bytes that are allocated, filled or not."""

    @property
    @abstractmethod
    def filled_bytes(self) -> int:
        """Bytes of what is kept now."""

    def forget_after(self, length: int) -> None:
        """Forget all but the first `length` tokens, where the rest of them is still kept.

        Raises `InputError` where some of these were let go of already.
        """
        raise InputError(f"a {type(self).__name__} can't take tokens back")

    def clear(self) -> None:
        """Forget every token; the room stays reserved."""
        self.length = 0
