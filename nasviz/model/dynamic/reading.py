"""`Reading`: sequences as far as they were read under a policy, and what was decided on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from nasviz.model.cache import KVCache


@dataclass
class Reading:
    """The state of B sequences that are read and written in step.

    depths: for each token that was generated or scored, after how many layers each of the B
    sequences left, (B,) integers. pending: the residual stream of tokens that left early and may
    still be taken further, by the number of layers that they have passed, (1, n, M). kept: where
    prompt tokens stay behind, the positions of those that go on, by the number of layers that they
    have passed, (B, k). beside: the cache of a small model that reads along. unread: tokens that
    the whole model has yet to read, (B, n) each. rows: the sequences' own readings, where they are
    read one by one.
    """

    cache: KVCache
    depths: list[Tensor] = field(default_factory=list)
    pending: dict[int, Tensor] = field(default_factory=dict)
    kept: dict[int, Tensor] = field(default_factory=dict)
    beside: KVCache | None = None
    unread: list[Tensor] = field(default_factory=list)
    rows: list[Reading] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens that were read."""
        return self.cache.length + sum(tokens.shape[1] for tokens in self.unread)

    @property
    def filled_bytes(self) -> int:
        """Bytes of keys and values that are kept now, those of a model that reads along too."""
        beside = self.beside.filled_bytes if self.beside is not None else 0
        return self.cache.filled_bytes + beside

    def clear(self) -> None:
        """Forget every token; decisions stay on record."""
        self.cache.clear()
        self.pending.clear()
        self.kept.clear()
        self.unread.clear()
        if self.beside is not None:
            self.beside.clear()
        for row in self.rows:
            row.clear()
