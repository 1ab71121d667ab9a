"""What weights become in 8 and 4 bits: whole numbers and their scales, to nearest.

8 bits: numbers from -127 to 127 and one scale an output row (Dettmers et al. 2022,
arXiv:2208.07339). 4 bits: numbers from 0 to 15 with a scale and a middle value for each group of
inputs of a row (the baseline of Frantar et al. 2022, GPTQ, arXiv:2210.17323). Scales and middles
have 16 bits. Shapes: O outputs, I inputs, G groups of S inputs.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor

_SMALLEST_SCALE = 1e-8  # of a row or group that is all one value


def rounded8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole numbers (O, I) in float32 and the rows' scales (O,) in bfloat16."""
    weight = weight.float()
    scale = (weight.abs().amax(dim=1) / 127).clamp_min(_SMALLEST_SCALE).bfloat16()
    whole = (weight / scale.float().unsqueeze(1)).round_().clamp_(-127, 127)
    return whole, scale


def rounded4(weight: Tensor, group_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return numbers (O, G, S) in float32, and scales and middles (O, G) in bfloat16.

    A number q stands for (q - 8) · scale + middle. Inputs must be whole groups.
    """
    groups = weight.float().reshape(len(weight), -1, group_size)
    low, high = groups.amin(dim=2), groups.amax(dim=2)
    scale = ((high - low) / 15).clamp_min(_SMALLEST_SCALE).bfloat16()
    middle = (low + 8 * scale.float()).bfloat16()
    steps = (groups - middle.float().unsqueeze(2)) / scale.float().unsqueeze(2)
    return (steps.round_() + 8).clamp_(0, 15), scale, middle


def as_rounded(weight: Tensor, bits: int, group_size: int) -> Tensor:
    """Return what a matrix (O, I) stands for after it was held in 8 or 4 bits, in its own type."""
    if bits == 8:
        whole, scale = rounded8(weight)
        return (whole * scale.float().unsqueeze(1)).to(weight.dtype)
    inputs = weight.shape[1]
    padded = F.pad(weight, (0, -inputs % group_size))
    numbers, scale, middle = rounded4(padded, group_size)
    values = (numbers - 8) * scale.float().unsqueeze(2) + middle.float().unsqueeze(2)
    return values.reshape(len(weight), -1)[:, :inputs].to(weight.dtype)
