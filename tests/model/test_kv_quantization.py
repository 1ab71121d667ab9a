"""Few bits: packed and unpacked, within half a step, and what a slow cache would read."""

from __future__ import annotations

import random

import pytest
import torch
from kv_policies import model_for, one_by_one, random_quantization, random_window, some_text
from torch import Tensor

from nasviz.model.attention import attention
from nasviz.model.cache import KVCache
from nasviz.model.dynamic.packed_tokens import Grid, PackedTokens, pack, unpack
from nasviz.model.layer_cache import LayerCache, Room
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow

BITS = pytest.mark.parametrize("bits", [8, 4, 2])


@BITS
def test_codes_come_back_from_their_bytes(bits: int) -> None:
    for n in range(1, 24):
        codes = torch.randint(1 << bits, (3, 5, n), dtype=torch.uint8)
        packed = pack(codes, bits)
        assert packed.shape == (3, 5, -(-n * bits // 8))
        got = torch.full_like(codes, 255)
        unpack(packed, bits, got)
        assert torch.equal(got, codes)


def there_and_back(grid: Grid, x: Tensor) -> Tensor:
    """Return `x` as it is read after it was quantised."""
    out = torch.empty_like(x)
    grid.dequantize(*grid.quantize(x), out)
    return out


def steps_of(grid: Grid, steps: Tensor, like: Tensor) -> Tensor:
    """Return the step of each number, by index."""
    tokens, channels = torch.arange(like.shape[2]), torch.arange(like.shape[3])
    if grid.along_tokens:
        return steps[:, :, tokens // grid.group].float()
    return steps[..., channels // grid.group].float()


@BITS
@pytest.mark.parametrize("along_tokens", [True, False])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 3000.0])
def test_a_number_is_off_by_half_a_step_at_most(
    bits: int, along_tokens: bool, scale: float
) -> None:
    for group in (1, 3, 4, 32):
        grid = Grid(bits, group, along_tokens)
        x = scale * (torch.randn(2, 3, 3 * group, 14) + 5 * torch.randn(14))
        _, steps, _ = grid.quantize(x)
        got = there_and_back(grid, x)
        bound = steps_of(grid, steps, x) * (0.5 + 1e-5) + 1e-6 * x.abs()
        assert ((got - x).abs() <= bound).all()
        # And a step is the group's range over its codes: no wider than rounding makes it.
        spread = x.amax() - x.amin()
        assert steps.float().max() <= spread / ((1 << bits) - 1) * 1.003 + 1e-6


@BITS
def test_fewer_numbers_a_group_are_more_exact(bits: int) -> None:
    x = torch.randn(2, 3, 64, 64)
    errors = []
    for group in (64, 16, 4):
        grid = Grid(bits, group, along_tokens=False)
        errors.append(float((there_and_back(grid, x) - x).square().mean()))
    assert errors == sorted(errors, reverse=True)


def test_equal_numbers_come_back_exactly() -> None:
    for number in (0.0, 1.0, -3.5):
        x = torch.full((1, 1, 4, 6), number)
        grid = Grid(2, 4, along_tokens=True)
        torch.testing.assert_close(there_and_back(grid, x), x, atol=1e-7, rtol=0)


def test_channels_that_are_large_everywhere_want_steps_of_their_own() -> None:
    """Why KIVI quantises keys per channel: one outlying channel spoils a token's others."""
    x = torch.randn(1, 1, 64, 32)
    x[..., 5] += 40.0

    def error(along_tokens: bool) -> float:
        grid = Grid(2, 32, along_tokens)
        return float((there_and_back(grid, x) - x).square().mean())

    assert error(along_tokens=True) < error(along_tokens=False) / 5


def test_a_token_is_replaced_in_each_head_s_own_place() -> None:
    grid = Grid(8, 4, along_tokens=False)
    room = Room(9, 2, 3, 10, torch.float32, "cpu")
    stored = PackedTokens(grid, room, 9)
    stored.put(0, torch.zeros(2, 3, 9, 10))
    places = torch.tensor([[0, 4, 8], [1, 1, 2]])
    new = torch.randn(2, 3, 1, 10)
    stored.replace(places, new)
    got = torch.empty(2, 3, 9, 10)
    stored.read(0, got)
    for row in range(2):
        for head in range(3):
            place = int(places[row, head])
            torch.testing.assert_close(got[row, head, place], new[row, head, 0], atol=0.03, rtol=0)
            others = [each for each in range(9) if each != place]
            assert got[row, head, others].abs().max() < 1e-6


class SlowQuantization(LayerCache):
    """All tokens as they were, quantised anew for each query from the definition."""

    reserved_bytes = filled_bytes = 0

    def __init__(self, room: Room, option: KVQuantization, window: KVWindow | None) -> None:
        super().__init__(room)
        self.option = option
        self.window = window.window if window else room.max_tokens
        self.sinks = window.sinks if window else 0
        self.keys, self.values = room.empty(0), room.empty(0)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        assert keys.shape[2] == 1, "token by token"
        self.append(keys, values)
        per_channel = self.option.keys == "per_channel"
        all_keys = self.quantized(self.keys, Grid(self.option.bits, self.option.group, per_channel))
        all_values = self.quantized(self.values, Grid(self.option.bits, self.option.group, False))
        seen = [
            each
            for each in range(self.length)
            if each < self.sinks or self.length - 1 - each < self.window
        ]
        return attention(queries, all_keys[:, :, seen], all_values[:, :, seen], None)

    def append(self, keys: Tensor, values: Tensor) -> None:
        self.keys = torch.cat((self.keys, keys), dim=2)
        self.values = torch.cat((self.values, values), dim=2)
        self.length += keys.shape[2]

    def quantized(self, x: Tensor, grid: Grid) -> Tensor:
        x = x.clone()
        start, residual = self.sinks, min(self.option.residual, self.window)
        # The newest token finds what its predecessors left: those before it count.
        while start + grid.group <= self.length - 1 - residual:
            group = slice(start, start + grid.group)
            x[:, :, group] = there_and_back(grid, x[:, :, group])
            start += grid.group
        return x

    def positions(self) -> Tensor:
        return torch.arange(self.length).expand(*self.keys.shape[:2], -1)


def test_a_token_reads_what_a_slow_cache_says() -> None:
    rng = random.Random(71)
    for _ in range(50):
        option = random_quantization(rng)
        window = rng.choice((None, random_window(rng)))
        policy = InferencePolicy(tuple(each for each in (window, option) if each))
        model = model_for(policy, rng)
        if model.architecture.sliding_window:
            continue
        tokens = some_text(model.architecture)
        slow = KVCache(
            model.architecture,
            batch=2,
            dtype=torch.float64,
            layer_cache=lambda _, room, o=option, w=window: SlowQuantization(room, o, w),
        )
        with torch.no_grad():
            got, _ = one_by_one(model, policy, tokens)
            columns = tokens.split(1, dim=1)
            expected = torch.stack([model.prefill(column, slow) for column in columns], dim=1)
        torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-9, msg=str(policy))


def test_a_residual_as_long_as_the_text_changes_nothing() -> None:
    rng = random.Random(72)
    for kept in ((), (KVWindow(window=6, sinks=2),), (KVEviction(budget=6, protected=1),)):
        policy = InferencePolicy(kept)
        model = model_for(InferencePolicy((*kept, KVEviction())) if not kept else policy, rng)
        tokens = some_text(model.architecture)
        for bits in (2, 8):
            packed = InferencePolicy((*kept, KVQuantization(bits=bits, residual=19)))
            with torch.no_grad():
                full, _ = one_by_one(model, policy, tokens)
                got, _ = one_by_one(model, packed, tokens)
            torch.testing.assert_close(got, full)


def test_more_bits_are_nearer_to_the_static_model() -> None:
    rng = random.Random(73)
    for kept in ((), (KVWindow(window=9, sinks=2),), (KVEviction(budget=9, policy="local"),)):
        distances = []
        for bits in (2, 4, 8):
            total = 0.0
            option = KVQuantization(bits=bits, group=8, residual=1)
            for _ in range(8):
                model = model_for(InferencePolicy((*kept, KVEviction())[:1]), rng)
                tokens = some_text(model.architecture)
                with torch.no_grad():
                    full, _ = one_by_one(model, InferencePolicy(kept), tokens)
                    got, _ = one_by_one(model, InferencePolicy((*kept, option)), tokens)
                total += float((got - full).abs().mean())
            distances.append(total)
        assert distances == sorted(distances, reverse=True), kept
