"""Tables of rotary positions: cosines and sines by position, made when first asked for."""

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
    """Cosines and sines of an architecture's rotary positions, one table a device and type.

    Not a module and no buffer: nothing of it is a weight, and casting a model to a smaller type
    must not round the angles before their cosines are taken.
    """

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._tables: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def at(self, start: int, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines (length, 1, head_dim) and sines (length, 1, rotary_dim / 2).

        Of positions `start` to `start + length`, on the device and in the type of `like`.
        """
        key = (like.device, like.dtype)
        end = start + length
        if key not in self._tables or len(self._tables[key][0]) < end:
            rows = min(1 << (end - 1).bit_length(), self._architecture.context_length)
            self._tables[key] = self._made(max(rows, end), like)
        cosines, sines = self._tables[key]
        return cosines[start:end], sines[start:end]

    def _made(self, rows: int, like: Tensor) -> tuple[Tensor, Tensor]:
        # Made outside inference mode, or training could not use a table that generation made.
        with torch.inference_mode(False), torch.no_grad():
            positions = torch.arange(rows, dtype=torch.float64)
            angles = torch.outer(positions, frequencies(self._architecture)).unsqueeze(1)
            unturned = self._architecture.head_dim - self._architecture.rotary_dim
            still = angles.new_ones(rows, 1, unturned)
            cosines = torch.cat((angles.cos(), angles.cos(), still), dim=-1)
            return cosines.to(like), angles.sin().to(like)
