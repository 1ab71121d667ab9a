"""`EvictingLayer`: each KV head keeps, within a budget, the tokens that a policy likes best."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nasviz.model.dynamic.quantized_slots import QuantizedSlots
from nasviz.model.dynamic.slots import FullSlots, Slots
from nasviz.model.layer_cache import LayerCache, Room
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization


class EvictingLayer(LayerCache):
    """At most `budget` tokens of each sequence and KV head, each head its own.

    Every kept token has a score. When a token comes and no slot is free, it takes the slot of the
    token with the least, among those that are neither protected nor among the latest. What a score
    is makes the policies differ: the attention that the token got, a random number, its position
    (`KVEviction`).

    Shapes: B sequences, K KV heads, G query heads that share one, T new tokens, S slots in use.
    """

    reads_queries = True

    def __init__(
        self, room: Room, option: KVEviction, layer: int, quantized: KVQuantization | None
    ) -> None:
        super().__init__(room)
        self.option = option
        slots = min(option.budget, room.max_tokens)
        self._slots: Slots = (
            QuantizedSlots(room, slots, quantized) if quantized else FullSlots(room, slots)
        )
        shape = (room.batch, room.n_kv_heads, slots)
        self._positions = torch.empty(shape, dtype=torch.int32, device=room.device)
        self._scores = torch.empty(shape, dtype=torch.float32, device=room.device)
        self._seed = option.seed * 1_000_003 + layer
        self._draws = torch.Generator().manual_seed(self._seed)

    def clear(self) -> None:
        """Forget every token; the room stays reserved."""
        super().clear()
        self._draws.manual_seed(self._seed)

    def positions(self) -> Tensor:
        """Return the positions that are kept, rising, (B, K, S)."""
        return self._positions[:, :, : self._used].long().sort(dim=-1).values

    @property
    def reserved_bytes(self) -> int:
        """Bytes that are allocated, positions and scores included."""
        return self._slots.nbytes + self._positions.nbytes + self._scores.nbytes

    @property
    def filled_bytes(self) -> int:
        """Bytes of what is kept now, positions and scores included."""
        notes = (self._positions, self._scores)
        return self._slots.filled_bytes(self.length) + sum(
            each[:, :, : self._used].nbytes for each in notes
        )

    @property
    def _used(self) -> int:
        return min(self.length, self._slots.slots)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Keep new tokens; return what `queries`, one a token, gather (see `LayerCache`)."""
        if keys.shape[2] == 1:
            self.append(keys, values)
            return self._gather(queries)
        gathered = []
        start = 0
        with self._slots.chunk(self._positions[:, :, : self._used], self.length):
            while start < keys.shape[2]:
                stop = start + self._step(keys.shape[2] - start)
                self.append(keys[:, :, start:stop], values[:, :, start:stop])
                gathered.append(self._gather(queries[:, start:stop]))
                start = stop
        return torch.cat(gathered, dim=1)

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Keep new tokens (see `LayerCache`)."""
        start = 0
        while start < keys.shape[2]:
            stop = start + self._step(keys.shape[2] - start)
            piece = keys[:, :, start:stop], values[:, :, start:stop]
            if self.length < self._slots.slots:
                self._put(*piece)
            else:
                self._replace(*piece)
            start = stop

    def _step(self, new: int) -> int:
        """Return how many tokens can be read at once: those that find free slots, else one."""
        free = self._slots.slots - self.length
        return max(1, min(new, free)) if self._slots.constant else 1

    def _put(self, keys: Tensor, values: Tensor) -> None:
        """Store tokens in the next free slots."""
        position, end = self.length, self.length + keys.shape[2]
        self._slots.put(position, keys, values)
        self._positions[:, :, position:end] = torch.arange(position, end, device=keys.device)
        self._scores[:, :, position:end] = self._first_scores(position, end)
        self.length = end

    def _replace(self, keys: Tensor, values: Tensor) -> None:
        """Store one token (B, K, 1, D) in the slot of each head's least token."""
        position = self.length
        latest = self._positions > position - self.option.recent_tokens
        victims = self._scores.masked_fill(latest, math.inf).argmin(dim=2)  # (B, K)
        self._slots.replace(victims, position, keys, values)
        index = victims.unsqueeze(2)
        self._positions.scatter_(2, index, position)
        first = self._first_scores(position, position + 1)
        self._scores.scatter_(2, index, first.expand_as(index))
        self.length = position + 1

    def _first_scores(self, start: int, stop: int) -> Tensor:
        """Return the scores with which the tokens of these positions begin, (K, T)."""
        heads, new = self.room.n_kv_heads, stop - start
        if self.option.policy == "random":
            # By position, then head: a token draws the same, alone or in a chunk, in any row.
            scores = torch.rand((new, heads), generator=self._draws).T
        elif self.option.policy == "local":
            scores = torch.arange(start, stop, dtype=torch.float32).expand(heads, new)
        else:
            scores = torch.zeros((heads, new))
        protected = torch.arange(start, stop) < self.option.protected
        return scores.masked_fill(protected, math.inf).to(self.room.device)

    def _gather(self, queries: Tensor) -> Tensor:
        """Return what the queries (B, T, H, D) of the latest tokens gather; score the others."""
        batch, new, n_heads, head_dim = queries.shape
        positions = self._positions[:, :, : self._used]
        keys, values = self._slots.read(positions, self.length)  # (B, K, S, D)
        grouped = queries.reshape(batch, new, keys.shape[1], -1, head_dim).permute(0, 2, 3, 1, 4)
        rows = grouped.reshape(batch, keys.shape[1], -1, head_dim)  # (B, K, G·T, D)
        logits = (rows / math.sqrt(head_dim)) @ keys.transpose(2, 3)  # (B, K, G·T, S)
        if new > 1:  # free slots hold rising positions: those of later tokens are the last
            logits = logits + self._later(new, logits).repeat(n_heads // keys.shape[1], 1)
        shares = logits.softmax(dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
        if self.option.policy == "heavy_hitters":
            self._scores[:, :, : self._used] += shares.sum(dim=2)
        gathered = shares.to(values.dtype) @ values  # (B, K, G·T, D)
        split = gathered.reshape(batch, keys.shape[1], -1, new, head_dim)  # (B, K, G, T, D)
        return split.permute(0, 3, 1, 2, 4).reshape(batch, new, n_heads, head_dim)

    def _later(self, new: int, like: Tensor) -> Tensor:
        """Return minus infinity where a slot's token comes after the query's, else 0, (T, S)."""
        minus = torch.full((new, self._used), -math.inf, dtype=like.dtype, device=like.device)
        return minus.triu(self._used - new + 1)
