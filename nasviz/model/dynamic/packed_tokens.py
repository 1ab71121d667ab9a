"""Keys and values in a few bits each: `Grid` says how they share steps, `PackedTokens` holds them.

Uniform quantisation: a code c of b bits stands for middle + (c - (2^b - 1) / 2) · step. Step and
middle are stored in float16, one each a group; the step is rounded up, so that no number lies
outside and every one is off by half a step at most. Grids as in Liu et al. 2024 (KIVI,
arXiv:2402.02750).

Shapes: B sequences, K KV heads, T tokens, D channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor

from nasviz.model.layer_cache import Room


def pack(codes: Tensor, bits: int) -> Tensor:
    """Return codes below 2**bits, (..., n) bytes, packed to (..., ceil(n · bits / 8)).

    Byte j holds the codes j, j + m, j + 2m, … of the m bytes, from its lowest bits up.
    """
    per_byte = 8 // bits
    length = -(-codes.shape[-1] // per_byte)
    padded = F.pad(codes, (0, per_byte * length - codes.shape[-1]))
    packed = padded[..., :length].clone()
    for place in range(1, per_byte):
        packed |= padded[..., place * length : (place + 1) * length] << (place * bits)
    return packed


def unpack(packed: Tensor, bits: int, out: Tensor) -> None:
    """Write the codes that `pack` made (..., ceil(n · bits / 8)) of into `out` (..., n)."""
    mask = (1 << bits) - 1
    length, n = packed.shape[-1], out.shape[-1]
    for place in range(8 // bits):
        start, stop = place * length, min((place + 1) * length, n)
        if start < stop:
            codes = packed if bits == 8 else (packed >> (place * bits)) & mask
            out[..., start:stop].copy_(codes[..., : stop - start])


@dataclass(frozen=True)
class Grid:
    """`bits` a number; `group` neighbouring channels of a token share a step and a middle.

    With `along_tokens`, instead, `group` neighbouring tokens of a channel do.
    """

    bits: int
    group: int
    along_tokens: bool

    def quantize(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the packed codes, steps and middles of `x` (B, K, T, D).

        Codes are (B, K, T, bytes); steps and middles (B, K, T, groups), or (B, K, T / group, D)
        along tokens, where T is a multiple of `group`.
        """
        grouped = self._grouped(x.float())
        low, high = grouped.amin(self._axis, keepdim=True), grouped.amax(self._axis, keepdim=True)
        middles = ((low + high) / 2).half()
        reach = torch.maximum(high - middles, middles - low)
        top = (1 << self.bits) - 1
        # Rounded up: a float16 is off by 2^-11 of itself at most, or by 2^-25.
        steps = (reach * (2 / top) * (1 + 2**-10) + 2**-24).half()
        codes = ((grouped - middles) / steps + top / 2).round().clamp(0, top).to(torch.uint8)
        packed = pack(self._flat(codes, x.shape[3]), self.bits)
        return packed, steps.squeeze(self._axis), middles.squeeze(self._axis)

    def dequantize(self, packed: Tensor, steps: Tensor, middles: Tensor, out: Tensor) -> None:
        """Write the numbers that `quantize` made these of into `out` (B, K, T, D).

        In place, since what a step of generation unpacks is more than it computes.
        """
        if out.dtype not in (torch.float32, torch.float64):  # too coarse to multiply and add in
            exact = torch.empty_like(out, dtype=torch.float32)
            self.dequantize(packed, steps, middles, exact)
            out.copy_(exact)
            return
        unpack(packed, self.bits, out)
        steps = steps.to(out.dtype)
        lowest = middles.to(out.dtype) - steps * (((1 << self.bits) - 1) / 2)
        batch, heads, tokens, channels = out.shape
        size = min(self.group, channels)
        if self.along_tokens:
            groups = out.view(batch, heads, tokens // self.group, self.group, channels)
        elif channels % size == 0:
            groups = out.view(batch, heads, tokens, channels // size, size)
        else:
            for shared, change in ((steps, out.mul_), (lowest, out.add_)):
                change(shared.repeat_interleave(size, dim=3)[..., :channels])
            return
        groups.mul_(steps.unsqueeze(self._axis)).add_(lowest.unsqueeze(self._axis))

    def rows(self, tokens: int) -> int:
        """Return how many rows of steps so many tokens have."""
        return tokens // self.group if self.along_tokens else tokens

    def columns(self, channels: int) -> int:
        """Return how many steps are in a row."""
        return channels if self.along_tokens else -(-channels // self.group)

    @property
    def _axis(self) -> int:
        """The axis, in `_grouped`, of the numbers that share a step."""
        return 3 if self.along_tokens else 4

    def _grouped(self, x: Tensor) -> Tensor:
        """Return `x` (B, K, T, D) as (B, K, T / group, group, D) or (B, K, T, groups, size)."""
        batch, heads, tokens, channels = x.shape
        if self.along_tokens:
            return x.reshape(batch, heads, tokens // self.group, self.group, channels)
        size = min(self.group, channels)
        missing = -channels % size
        if missing:  # the last group is a shorter one: its last number fills it up
            x = torch.cat((x, x[..., -1:].expand(batch, heads, tokens, missing)), dim=3)
        return x.reshape(batch, heads, tokens, -1, size)

    def _flat(self, grouped: Tensor, channels: int) -> Tensor:
        """Return what `_grouped` made of (B, K, T, channels)."""
        return grouped.flatten(self._axis - 1, self._axis)[..., :channels]


class PackedTokens:
    """Room for the quantised keys, or the values, of so many `tokens` in one layer."""

    def __init__(self, grid: Grid, room: Room, tokens: int) -> None:
        self.grid = grid
        self.room = room
        ahead = (room.batch, room.n_kv_heads)
        width = -(-room.head_dim * grid.bits // 8)
        rows = (*ahead, grid.rows(tokens), grid.columns(room.head_dim))
        self._codes = torch.empty((*ahead, tokens, width), dtype=torch.uint8, device=room.device)
        self._steps = torch.empty(rows, dtype=torch.float16, device=room.device)
        self._middles = torch.empty_like(self._steps)

    @property
    def nbytes(self) -> int:
        """Bytes that are allocated."""
        return self._codes.nbytes + self._steps.nbytes + self._middles.nbytes

    def filled_bytes(self, tokens: int) -> int:
        """Bytes that so many of the tokens take."""
        codes, steps, middles = self._part(0, tokens)
        return codes.nbytes + steps.nbytes + middles.nbytes

    def put(self, start: int, x: Tensor) -> None:
        """Store tokens `x` (B, K, T, D) from `start` on; whole groups, where tokens share steps."""
        parts = self._part(start, start + x.shape[2])
        for room, new in zip(parts, self.grid.quantize(x), strict=True):
            room.copy_(new)

    def replace(self, places: Tensor, x: Tensor) -> None:
        """Store one token `x` (B, K, 1, D) at each head's own place, `places` (B, K)."""
        index = places[:, :, None, None]
        rooms = (self._codes, self._steps, self._middles)
        for room, new in zip(rooms, self.grid.quantize(x), strict=True):
            room.scatter_(2, index.expand_as(new), new)

    def read(self, start: int, out: Tensor) -> None:
        """Write the tokens from `start` on into `out` (B, K, T, D)."""
        self.grid.dequantize(*self._part(start, start + out.shape[2]), out)

    def read_at(self, places: Tensor, out: Tensor) -> None:
        """Write the token at each head's own place, `places` (B, K), into `out` (B, K, 1, D)."""
        index = places[:, :, None, None]
        rooms = (self._codes, self._steps, self._middles)
        found = [room.gather(2, index.expand(-1, -1, 1, room.shape[3])) for room in rooms]
        self.grid.dequantize(found[0], found[1], found[2], out)

    def _part(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        rows = slice(self.grid.rows(start), self.grid.rows(stop))
        return self._codes[:, :, start:stop], self._steps[:, :, rows], self._middles[:, :, rows]
