"""Measures a model's operations one by one: products, attention and streams, over sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor

from nasviz.cost.grid import Curve, Grid
from nasviz.evaluation.stopwatch import Stopwatch
from nasviz.model.operations import relu_squared, rms_norm, rotate

# Rows from one token's decoding to a long prompt; weights from a tiny layer's to a large head's.
ROWS = (1, 2, 4, 8, 16, 64, 256, 1024)
WEIGHTS = tuple(2**power for power in range(10, 25, 2))
# No single product above this many multiply-adds is measured: its rate is that of the largest.
MOST_MULTIPLY_ADDS = 2**28
BUDGET_S = 0.008  # for one reading of a table
POOL_BYTES = 48 * 2**20  # operands that are cycled through, to be found outside the caches
POOLS = tuple(2**power for power in range(18, 27))  # bytes read in one pass

TOKENS = (1, 16, 64, 256, 1024)
KEYS = (1, 64, 256, 1024)
HEAD_SIZES = (16, 32, 64, 128)
HEADS = 8
SHARED = 4  # queries of one key/value head where heads are grouped

NUMBERS = tuple(2**power for power in (6, 10, 13, 16, 18, 20, 22))
WIDTH = 256
HEAD_WIDTH = 32


Attend = Callable[[], Tensor]


@dataclass(frozen=True)
class Operations:
    """The measured tables, as in `nasviz.cost.measured.MeasuredRates`."""

    matmul_hot: Grid
    matmul_cold: Grid
    cold_share: Curve
    prefill_attention: Grid
    decode_attention: Grid
    decode_query: Grid
    decode_fixed_s: float
    streams: dict[str, Curve]


def measure_operations(dtype: torch.dtype, stopwatch: Stopwatch) -> Operations:
    """Return the tables of one precision."""
    hot, cold = measure_products(dtype, stopwatch)
    decode, query, fixed = measure_decode_attention(dtype, stopwatch)
    return Operations(
        matmul_hot=hot,
        matmul_cold=cold,
        cold_share=measure_cold_share(dtype, stopwatch),
        prefill_attention=measure_prefill_attention(dtype, stopwatch, fixed),
        decode_attention=decode,
        decode_query=query,
        decode_fixed_s=fixed,
        streams={
            name: measure_stream(call, dtype, stopwatch)
            for name, call in streams(dtype, stopwatch).items()
        },
    )


def measure_products(dtype: torch.dtype, stopwatch: Stopwatch) -> tuple[Grid, Grid]:
    """Return seconds by rows and weights: everything just used, and everything from memory."""
    itemsize = torch.empty(0, dtype=dtype).element_size()
    numbers = torch.randn(POOL_BYTES // itemsize, device=stopwatch.device).to(dtype)
    hot = tuple(_product_line(rows, numbers, stopwatch, pooled=False) for rows in ROWS)
    cold = tuple(_product_line(rows, numbers, stopwatch, pooled=True) for rows in ROWS)
    slower = tuple(
        tuple(max(pair) for pair in zip(*lines, strict=True))
        for lines in zip(hot, cold, strict=True)
    )
    weights = tuple(map(float, WEIGHTS))
    return Grid(ROWS, weights, hot), Grid(ROWS, weights, slower)


def _product_line(
    rows: int, numbers: Tensor, stopwatch: Stopwatch, *, pooled: bool
) -> tuple[float, ...]:
    """Return seconds of (rows, side) × (side, width) by weights; width is side or twice that.

    Operands are pieces of `numbers`: always the same one, or one after the other (`pooled`).
    """
    found: list[float] = []
    for weights in WEIGHTS:
        side = 2 ** ((weights.bit_length() - 1) // 2)
        piece = weights + rows * side
        if (rows * weights > MOST_MULTIPLY_ADDS or piece > len(numbers)) and found:
            found.append(found[-1] * weights / WEIGHTS[len(found) - 1])
            continue
        count = len(numbers) // piece if pooled else 1
        pool = [
            (each[: rows * side].view(rows, side), each[rows * side :].view(-1, side))
            for each in numbers[: count * piece].view(count, piece).unbind()
        ]
        found.append(stopwatch.seconds(_each_in_turn(pool), BUDGET_S))
    return tuple(found)


def _each_in_turn(pool: list[tuple[Tensor, Tensor]]) -> Callable[[], Tensor]:
    turn = itertools.cycle(pool)
    return lambda: F.linear(*next(turn))


def measure_cold_share(dtype: torch.dtype, stopwatch: Stopwatch) -> Curve:
    """Return how cold weights are by the bytes that a pass reads: 0 cached, 1 from memory."""
    side = 256
    x = torch.randn(1, side, device=stopwatch.device).to(dtype)
    numbers = torch.randn(POOLS[-1] // x.element_size(), device=stopwatch.device).to(dtype)
    seconds = []
    for size in POOLS:
        pool = numbers[: size // x.element_size()].view(-1, side, side).unbind()
        count = len(pool)

        def one_pass(pool: tuple[Tensor, ...] = pool) -> None:
            for weights in pool:
                F.linear(x, weights)

        seconds.append(stopwatch.seconds(one_pass, BUDGET_S) / count)
    low, high = min(seconds), seconds[-1]
    span = max(high - low, 1e-12)
    shares = [min(1.0, max(0.0, (each - low) / span)) for each in seconds]
    rising = tuple(itertools.accumulate(shares, max))  # more bytes are never warmer
    return Curve((*map(float, POOLS), 2.0 * POOLS[-1]), (*rising, 1.0))


def measure_prefill_attention(dtype: torch.dtype, stopwatch: Stopwatch, fixed_s: float) -> Grid:
    """Return seconds a head by tokens and head size, causal, beyond the call itself."""
    lines = []
    for tokens in TOKENS:
        line = []
        for size in HEAD_SIZES:
            x = torch.randn(1, tokens, HEADS, size, device=stopwatch.device).to(dtype)
            q = x.transpose(1, 2)  # as a model has it: heads and tokens swapped
            attend = partial(F.scaled_dot_product_attention, q, q, q, is_causal=True)
            seconds = stopwatch.seconds(attend, BUDGET_S)
            line.append(max(0.0, seconds - fixed_s) / HEADS)
        lines.append(tuple(line))
    return Grid(TOKENS, HEAD_SIZES, tuple(lines))


def measure_decode_attention(dtype: torch.dtype, stopwatch: Stopwatch) -> tuple[Grid, Grid, float]:
    """Return seconds a key/value head, seconds a further query of it, and seconds of the call."""
    like = torch.empty(0, dtype=dtype, device=stopwatch.device)
    fixed: list[float] = []
    heads, queries = [], []
    for keys in KEYS:
        head_line, query_line = [], []
        for size in HEAD_SIZES:
            one = stopwatch.seconds(_attend(1, 1, keys, size, like=like), BUDGET_S)
            several = stopwatch.seconds(_attend(HEADS, 1, keys, size, like=like), BUDGET_S)
            grouped = stopwatch.seconds(_attend(HEADS, SHARED, keys, size, like=like), BUDGET_S)
            each = max(0.0, several - one) / (HEADS - 1)
            fixed.append(max(0.0, one - each))
            head_line.append(each)
            query_line.append(max(0.0, grouped - several) / (HEADS * (SHARED - 1)))
        heads.append(tuple(head_line))
        queries.append(tuple(query_line))
    call_s = sorted(fixed)[len(fixed) // 2]
    return Grid(KEYS, HEAD_SIZES, tuple(heads)), Grid(KEYS, HEAD_SIZES, tuple(queries)), call_s


def _attend(heads: int, queries: int, keys: int, size: int, *, like: Tensor) -> Attend:
    """Return a call of attention for one token of each of `queries` heads a key/value head."""
    q = like.new_zeros(1, heads, queries, size).normal_()
    # A cache has room for more tokens than it holds.
    room = like.new_zeros(1, heads, 2 * keys, size).normal_()
    k = room[:, :, :keys]
    return lambda: F.scaled_dot_product_attention(q, k, k)


def streams(dtype: torch.dtype, stopwatch: Stopwatch) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return each operation that streams activations, as a function of (rows, width) numbers."""
    device = stopwatch.device
    weight = torch.randn(WIDTH, device=device).to(dtype)
    head_weight = torch.randn(HEAD_WIDTH, device=device).to(dtype)
    turns = torch.randn(1, 1, HEAD_WIDTH // 2, dtype=torch.complex64, device=device)

    def in_heads(x: Tensor) -> Tensor:
        return x.view(-1, HEAD_WIDTH)

    def turned(x: Tensor) -> Tensor:
        return rotate(x.view(1, -1, 1, HEAD_WIDTH), turns)

    room: dict[int, Tensor] = {}

    def kept(x: Tensor) -> Tensor:
        place = room.setdefault(x.numel(), torch.empty_like(x))
        place[:] = x
        return place

    return {
        "rms_norm": lambda x: rms_norm(x, weight[: x.shape[-1]], 1e-5),
        "head_norm": lambda x: rms_norm(in_heads(x), head_weight, 1e-5),
        "layer_norm": lambda x: F.layer_norm(x, (x.shape[-1],), weight[: x.shape[-1]]),
        "gelu": F.gelu,
        "silu": F.silu,
        "relu": torch.relu,
        "relu2": relu_squared,
        "multiply": lambda x: x * x,
        "add": lambda x: x + x,
        "rotate": turned,
        "copy": kept,
        "argmax": lambda x: x.view(1, -1).argmax(dim=-1),
    }


def measure_stream(
    call: Callable[[Tensor], Tensor], dtype: torch.dtype, stopwatch: Stopwatch
) -> Curve:
    """Return the seconds of a stream by how many numbers it goes over."""
    seconds = []
    for numbers in NUMBERS:
        width = min(WIDTH, numbers)
        x = torch.randn(numbers // width, width, device=stopwatch.device).to(dtype)
        seconds.append(stopwatch.seconds(partial(call, x), BUDGET_S))
    return Curve(tuple(map(float, NUMBERS)), tuple(seconds))
