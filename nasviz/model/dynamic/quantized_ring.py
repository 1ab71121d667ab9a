"""`QuantizedRing`: keys and values in a few bits each, the latest in full precision."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nasviz.model.dynamic.packed_tokens import Grid, PackedTokens
from nasviz.model.layer_cache import Room
from nasviz.model.ring import WindowedLayer
from nasviz.space.options.kv_quantization import KVQuantization


class QuantizedRing(WindowedLayer):
    """Sinks and the latest tokens as they are; those between in groups of quantised tokens.

    Behind the sinks, the oldest `group` tokens in full precision are quantised as soon as
    `residual` others follow them. With a window, a group is forgotten when its last token is out
    of sight; until then its other tokens are stored, but not attended to.
    """

    def __init__(self, room: Room, option: KVQuantization, window: int = 0, sinks: int = 0) -> None:
        super().__init__(room, window, sinks)
        self.group = option.group
        self.residual = min(option.residual, self.window)
        behind = room.max_tokens - self.sinks
        most = -((self.residual - self.window) // self.group)  # in sight, rounded up
        self.groups = max(0, min(most, (behind - self.residual) // self.group))
        keys_grid = Grid(option.bits, option.group, option.keys == "per_channel")
        values_grid = Grid(option.bits, option.group, along_tokens=False)
        tokens = self.groups * self.group
        self._packed = tuple(PackedTokens(g, room, tokens) for g in (keys_grid, values_grid))
        self._sinks = tuple(room.empty(self.sinks) for _ in range(2))
        latest = min(self.residual + self.group, behind)
        self._latest = tuple(room.empty(latest) for _ in range(2))

    @property
    def reserved_bytes(self) -> int:
        """Bytes that are allocated, filled or not."""
        packed = sum(each.nbytes for each in self._packed)
        return packed + sum(each.nbytes for each in (*self._sinks, *self._latest))

    @property
    def filled_bytes(self) -> int:
        """Bytes of what is kept now."""
        behind = max(0, self.length - self.sinks)
        forgotten = max(0, behind - self.window) // self.group
        packed = (self._sealed - forgotten) * self.group
        return (
            sum(each[:, :, : self.length].nbytes for each in self._sinks)
            + sum(each.filled_bytes(packed) for each in self._packed)
            + sum(each[:, :, : self._in_full].nbytes for each in self._latest)
        )

    @property
    def _sealed(self) -> int:
        """How many groups were quantised, forgotten ones included."""
        return max(0, self.length - self.sinks - self.residual) // self.group

    @property
    def _in_full(self) -> int:
        """How many tokens behind the sinks are in full precision."""
        return max(0, self.length - self.sinks) - self._sealed * self.group

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Keep new tokens; return what `queries` gather (see `LayerCache`)."""
        new, last = keys.shape[2], queries.shape[1]
        gathered = []
        for start, stop in self._pieces(new):
            first, end = max(0, start + last - new), max(0, stop + last - new)
            piece = keys[:, :, start:stop], values[:, :, start:stop]
            if end > first:
                gathered.append(super().attend(queries[:, first:end], *piece))
            else:
                self._extend(*piece)
        return gathered[0] if len(gathered) == 1 else torch.cat(gathered, dim=1)

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Keep new tokens (see `LayerCache`)."""
        for start, stop in self._pieces(keys.shape[2]):
            self._extend(keys[:, :, start:stop], values[:, :, start:stop])

    def _pieces(self, new: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of a chunk between which nothing is quantised."""
        start = 0
        while start < new:
            if self.length < self.sinks:
                space = self.sinks - self.length
            else:
                space = self.residual + self.group - self._in_full
            stop = min(new, start + space)
            yield start, stop
            start = stop

    def _extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        position, new = self.length, keys.shape[2]
        if position < self.sinks:
            end = position + new
            self.length = end
            for sinks, each in zip(self._sinks, (keys, values), strict=True):
                sinks[:, :, position:end] = each
            return self._sinks[0][:, :, :end], self._sinks[1][:, :, :end]
        full, sealed = self._in_full, self._sealed
        first = max(0, position + 1 - self.window - self.sinks)  # behind the sinks
        seen = [
            self._seen(number, each, first, sealed, full)
            for number, each in enumerate((keys, values))
        ]
        self.length += new
        if full + new == self.residual + self.group:
            self._seal(sealed)
        return seen[0], seen[1]

    def _seen(self, number: int, new: Tensor, first: int, sealed: int, full: int) -> Tensor:
        """Keep new keys (`number` 0) or values (1); return all in sight, (B, K, S, D).

        That is a copy: what is quantised in it is unpacked, and later tokens change the rest.
        """
        latest, end = self._latest[number], full + new.shape[2]
        latest[:, :, full:end] = new
        group = min(first // self.group, sealed)
        start = group * self.group  # the first token that is copied, in sight or not
        behind = self.sinks + (sealed - group) * self.group
        copy = self.room.empty(behind + end)
        self._unpack(number, group, sealed, copy[:, :, self.sinks : behind])
        copy[:, :, behind:] = latest[:, :, :end]
        skip = max(0, first - start)
        # The tokens out of sight make room for the sinks to stand right before the others.
        copy[:, :, skip : skip + self.sinks] = self._sinks[number]
        return copy[:, :, skip:]

    def _unpack(self, number: int, group: int, stop: int, out: Tensor) -> None:
        """Write the quantised groups from `group` to `stop` (exclusive) into `out`."""
        start = 0
        while group < stop:
            place = group % self.groups
            run = min(stop - group, self.groups - place)  # up to the ring's end
            tokens = run * self.group
            part = out[:, :, start : start + tokens]
            self._packed[number].read(place * self.group, part)
            group, start = group + run, start + tokens

    def _seal(self, sealed: int) -> None:
        """Quantise the oldest group in full precision, as number `sealed`."""
        for packed, latest in zip(self._packed, self._latest, strict=True):
            if self.groups:
                packed.put(sealed % self.groups * self.group, latest[:, :, : self.group])
            latest[:, :, : self.residual] = latest[:, :, self.group :].clone()
