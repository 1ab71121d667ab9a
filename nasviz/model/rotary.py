"""Tables of rotary positions: turns by position, made when first asked for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nasviz.space.architecture import Architecture

# Llama 3's rule (arXiv:2407.21783; the constants are those of its released configurations).
LOW_FREQUENCY = 1.0
HIGH_FREQUENCY = 4.0
ORIGINAL_CONTEXT = 8192


def frequencies(architecture: Architecture) -> Tensor:
    """Return the angle per position of each rotated pair, shape (rotary_dim / 2,), in float64."""
    dims = torch.arange(0, architecture.rotary_dim, 2, dtype=torch.float64)
    plain = architecture.rope_theta ** (-dims / architecture.rotary_dim)
    if architecture.rope_scaling == 1:
        return plain
    # Wavelengths shorter than a quarter of the original context stay, those longer than all of it
    # are stretched by the factor, and those between are interpolated.
    turns = ORIGINAL_CONTEXT * plain / (2 * math.pi)
    kept = ((turns - LOW_FREQUENCY) / (HIGH_FREQUENCY - LOW_FREQUENCY)).clamp(0, 1)
    return plain * (kept + (1 - kept) / architecture.rope_scaling)


class RotaryTable:
    """Turns of an architecture's rotary positions: unit complex numbers, one table a device.

    Not a module and no buffer: nothing of it is a weight, and casting a model to a smaller type
    must not round its angles.
    """

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._tables: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def at(self, start: int, length: int, like: Tensor) -> Tensor:
        """Return the turns of `length` positions from `start`, (length, 1, rotary_dim / 2).

        On the device of `like`, and in double precision where `like` is.
        """
        return self._table(start + length, like)[start : start + length]

    def of(self, positions: Tensor, like: Tensor) -> Tensor:
        """Return the turns of any `positions` of the context: (..., T) → (..., T, 1, dim / 2)."""
        return self._table(self._architecture.context_length, like)[positions]

    def _table(self, end: int, like: Tensor) -> Tensor:
        """Return the turns of at least the first `end` positions."""
        dtype = torch.complex128 if like.dtype == torch.float64 else torch.complex64
        key = (like.device, dtype)
        if key not in self._tables or len(self._tables[key]) < end:
            rows = min(1 << (end - 1).bit_length(), self._architecture.context_length)
            self._tables[key] = self._made(max(rows, end), *key)
        return self._tables[key]

    def _made(self, rows: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        # Made outside inference mode, or training could not use a table that generation made.
        with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
            positions = torch.arange(rows, dtype=torch.float64)
            angles = torch.outer(positions, frequencies(self._architecture)).unsqueeze(1)
            return torch.polar(torch.ones_like(angles), angles).to(device, dtype)
