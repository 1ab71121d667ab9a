"""Matrices held in 8 or 4 bits, and their products.

What is multiplied is rounded to bfloat16, sums are kept in float32, and the result is rounded to
bfloat16 once more: 16-bit arithmetic around integer weights, as in weight-only quantisation (GPTQ,
arXiv:2210.17323). That is what torch's packed kernels are fast for; with float32 inputs they are
scalar code.

Measured on a Xeon with AVX-512 and AMX (torch 2.13, one thread, microseconds; casts to and from
float32 counted; the matrices stay in the processor's cache):

    inputs × outputs   rows   float32   8 bits   4 bits
    256 × 256             1         5        7        8
    512 × 1376            1        86       40       41
    768 × 3072            1       353      144      127
    256 × 256            64        60       70      112
    512 × 1376           64       677      860     1127
    768 × 3072           64      2311     2862     3740

In whole models of 8 layers, whose weights come from memory, a token takes 1.15 times as long with
8 bits at 128 wide, 0.84 at 256 and 0.69 at 512; with 4 bits 1.14, 0.80 and 0.42; a prompt of 64
tokens up to 1.3 times (`tests/benchmarks/weight_views.py`). With more than 32 rows the 8-bit
matrix is widened to float32 for the product. Two faster ways there were left out because a prompt
read at once would differ from one read token by token: widened to bfloat16 (359 µs for 64 rows of
512 × 1376), whose sums are rounded before they are scaled, by 1% of the logits in the end; and
inputs rounded to 8 bits too (`torch._int_mm`, 142 µs, but 57 for one row).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor, nn

from nasviz.errors import InputError
from nasviz.model.dynamic.rounding import rounded4, rounded8
from nasviz.model.transformer import Transformer

# The 8-bit kernel reads inputs by 16, past the end of a shorter row; the 4-bit one wants 16 outputs
# at a time and whole groups.
BLOCK = 16

# With so many rows the kernel and the widened product take about as long.
_MOST_KERNEL_ROWS = 32


class PackedLinear(nn.Module):
    """A matrix in few bits, with the bias of the linear layer that it stands for."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.out_features, self.in_features = linear.weight.shape
        bias = linear.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's outputs, (..., in_features) → (..., out_features), in x's type."""
        rows = x.reshape(-1, self.in_features).to(torch.bfloat16)  # (N, in)
        y = self.product(rows)  # (N, out or more)
        if y.shape[1] > self.out_features:
            y = y[:, : self.out_features]
        y = y.to(x.dtype).reshape(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias

    def product(self, rows: Tensor) -> Tensor:
        """Return the products of bfloat16 rows, (N, in) → (N, out or more)."""
        raise NotImplementedError


class Packed8(PackedLinear):
    """Integers from -127 to 127 and one scale an output row (Dettmers et al. 2022, 2208.07339)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        whole, scale = rounded8(linear.weight.detach())  # (out, in), (out,)
        packed = _padded(whole.to(torch.int8), BLOCK)  # (out, in to a multiple of 16)
        self.register_buffer("packed", packed)
        self.register_buffer("scale", scale)

    packed: Tensor
    scale: Tensor

    def product(self, rows: Tensor) -> Tensor:
        """Return the products of bfloat16 rows, (N, in) → (N, out)."""
        if rows.is_cuda or len(rows) > _MOST_KERNEL_ROWS:
            dtype = torch.bfloat16 if rows.is_cuda else torch.float32
            whole = self.packed[:, : self.in_features].to(dtype)  # gone after the product
            return F.linear(rows.to(dtype), whole).float().mul_(self.scale).bfloat16()
        return torch._weight_int8pack_mm(_padded(rows, BLOCK), self.packed, self.scale)


class Packed4(PackedLinear):
    """Two numbers a byte, in the CPU kernel's own order; scale and middle value for each group.

    A number q from 0 to 15 stands for (q - 8) · scale + middle.
    """

    def __init__(self, linear: nn.Linear, group_size: int) -> None:
        super().__init__(linear)
        weight = linear.weight.detach().float()
        if weight.device.type not in ("cpu", "meta"):
            raise InputError(
                f"4-bit weights are multiplied by a kernel of the CPU, and the model is on "
                f"{weight.device}; move it to the CPU, or take 8 bits"
            )
        self.group_size = group_size
        weight = _padded(_padded(weight, group_size).t(), BLOCK).t()  # (out', in')
        groups, scale, middle = rounded4(weight, group_size)  # (out', in' / group, group)
        numbers = groups.to(torch.int32).view(weight.shape)
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(numbers.contiguous(), 1)
        self.register_buffer("packed", packed)  # (out', in' / 2) bytes
        scales = torch.stack((scale, middle), dim=2).transpose(0, 1).contiguous()
        self.register_buffer("scales", scales)  # (in' / group, out', 2)

    packed: Tensor
    scales: Tensor

    def product(self, rows: Tensor) -> Tensor:
        """Return the products of bfloat16 rows, (N, in) → (N, out')."""
        padded = _padded(rows, self.group_size)
        result: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(
            padded, self.packed, self.group_size, self.scales
        )
        return result


def packed_bytes(model: Transformer) -> int:
    """Return the bytes of everything that `model` computes with, each tensor once."""
    held = {id(each): each for each in (*model.parameters(), *model.buffers())}
    return sum(each.numel() * each.element_size() for each in held.values())


def _padded(matrix: Tensor, multiple: int) -> Tensor:
    """Return `matrix` with columns of zeros up to a multiple."""
    missing = -matrix.shape[1] % multiple
    return F.pad(matrix, (0, missing)) if missing else matrix.contiguous()
