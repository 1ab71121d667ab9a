"""Eviction: what a slow and obvious cache keeps, in every layer, head and row."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace

import pytest
import torch
from kv_policies import model_for, one_by_one, random_eviction, read, some_text
from random_models import random_architecture, random_model
from torch import Tensor

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.caches import new_cache
from nasviz.model.dynamic.evicting import EvictingLayer
from nasviz.model.layer_cache import LayerCache, Room
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_eviction import KVEviction


@dataclass
class Token:
    position: int
    key: Tensor  # (D,)
    value: Tensor  # (D,)
    attention: float = 0.0


@dataclass
class Head:
    """The tokens that one KV head of one sequence keeps, by the letter of the paper."""

    option: KVEviction
    kept: list[Token] = field(default_factory=list)

    def keep(self, token: Token) -> None:
        if len(self.kept) == self.option.budget:
            oldest_recent = token.position - self.option.recent_tokens + 1
            may_go = [
                each for each in self.kept if self.option.protected <= each.position < oldest_recent
            ]
            if self.option.policy == "local":
                victim = min(may_go, key=lambda each: each.position)
            else:
                victim = min(may_go, key=lambda each: each.attention)
            self.kept.remove(victim)
        self.kept.append(token)

    def attend(self, query: Tensor) -> Tensor:
        weights = [float(query @ each.key) / math.sqrt(len(query)) for each in self.kept]
        highest = max(weights)
        shares = [math.exp(weight - highest) for weight in weights]
        total = sum(shares)
        for each, share in zip(self.kept, shares, strict=True):
            each.attention += share / total
        pairs = zip(self.kept, shares, strict=True)
        return sum(share / total * each.value for each, share in pairs)


class SlowEviction(LayerCache):
    """A layer's cache of lists, token by token, row by row and head by head."""

    reads_queries = True
    reserved_bytes = filled_bytes = 0

    def __init__(self, room: Room, option: KVEviction) -> None:
        super().__init__(room)
        self.heads = [[Head(option) for _ in range(room.n_kv_heads)] for _ in range(room.batch)]

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        result = torch.empty_like(queries)
        sharing = queries.shape[2] // keys.shape[1]
        for place in range(keys.shape[2]):
            self.append(keys[:, :, place : place + 1], values[:, :, place : place + 1])
            for row, heads in enumerate(self.heads):
                for query_head in range(queries.shape[2]):
                    head = heads[query_head // sharing]
                    query = queries[row, place, query_head]
                    result[row, place, query_head] = head.attend(query)
        return result

    def append(self, keys: Tensor, values: Tensor) -> None:
        for row, heads in enumerate(self.heads):
            for number, head in enumerate(heads):
                head.keep(Token(self.length, keys[row, number, 0], values[row, number, 0]))
        self.length += 1

    def positions(self) -> Tensor:
        kept = [[[each.position for each in h.kept] for h in heads] for heads in self.heads]
        return torch.tensor(kept).sort(dim=-1).values


@pytest.mark.parametrize("policy", ["heavy_hitters", "local"])
def test_what_is_kept_is_what_a_slow_cache_keeps(policy: str) -> None:
    rng = random.Random(61)
    for _ in range(12):
        option = replace(random_eviction(rng), policy=policy)
        model = model_for(InferencePolicy((option,)), rng)
        tokens = some_text(model.architecture)
        slow = KVCache(
            model.architecture,
            batch=2,
            layer_cache=lambda _, room, option=option: SlowEviction(room, option),
        )
        fast = new_cache(InferencePolicy((option,)), model, batch=2)
        with torch.no_grad():
            for column in tokens.split(1, dim=1):
                expected = model.prefill(column, slow)
                torch.testing.assert_close(model.prefill(column, fast), expected)
                for layer in range(model.architecture.n_layers):
                    assert torch.equal(fast.positions(layer), slow.positions(layer)), option


def test_local_is_a_window_with_sinks() -> None:
    rng = random.Random(62)
    for _ in range(10):
        option = replace(random_eviction(rng), policy="local")
        model = model_for(InferencePolicy((option,)), rng)
        _, cache = one_by_one(model, InferencePolicy((option,)), some_text(model.architecture))
        length, budget = cache.length, min(option.budget, cache.length)
        latest = range(length - budget + option.protected, length)
        expected = torch.tensor([*range(option.protected), *latest])
        for layer in range(model.architecture.n_layers):
            assert (cache.positions(layer) == expected).all()


def test_protected_and_recent_tokens_stay_whatever_the_policy() -> None:
    rng = random.Random(63)
    for _ in range(40):
        option = random_eviction(rng)
        model = model_for(InferencePolicy((option,)), rng)
        cache = new_cache(InferencePolicy((option,)), model, batch=2)
        for column in some_text(model.architecture).split(1, dim=1):
            model.prefill(column, cache)
            end = cache.length
            first = range(min(option.protected, end))
            stay = {*first, *range(max(0, end - option.recent_tokens), end)}
            for kept in cache.positions(0).flatten(0, 1).tolist():
                assert len(kept) == min(option.budget, end)
                assert stay <= set(kept)


def test_heads_and_rows_evict_their_own() -> None:
    option = KVEviction(budget=8, recent=0.5, protected=0)
    rng = random.Random(64)
    architecture = random_architecture(
        rng, n_heads=6, n_kv_heads=3, sliding_window=0, context_length=19
    )
    model = random_model(architecture)
    _, cache = one_by_one(model, InferencePolicy((option,)), some_text(architecture))
    kept = cache.positions(0)
    assert not torch.equal(kept[0], kept[1])
    assert not torch.equal(kept[:, 0], kept[:, 1])


def test_random_keeps_a_uniform_sample_of_the_past_by_its_seed() -> None:
    room = Room(400, 1, 500, 2, torch.float32, "cpu")

    def kept(seed: int, chunk: int) -> Tensor:
        option = KVEviction(budget=41, policy="random", recent=0.0, protected=0, seed=seed)
        cache = EvictingLayer(room, option, 0, None)
        for size in [chunk] * (400 // chunk):
            cache.append(torch.zeros(1, 500, size, 2), torch.zeros(1, 500, size, 2))
        return cache.positions()

    first = kept(1, 1)
    assert torch.equal(first, kept(1, 50))
    assert not torch.equal(first, kept(2, 1))
    # 500 heads keep 40 of the 399 earlier tokens each: 50.1 times a token in the mean.
    times = torch.bincount(first.flatten(), minlength=400)[:399].double()
    assert times[:100].mean() == pytest.approx(50.1, rel=0.05)
    assert times[-100:].mean() == pytest.approx(50.1, rel=0.05)


def test_tokens_that_all_others_attend_to_stay() -> None:
    option = KVEviction(budget=7, recent=0.2, protected=0)
    room = Room(100, 1, 1, 4, torch.float32, "cpu")
    cache = EvictingLayer(room, option, 0, None)
    loved = {0, 11, 30, 31, 57}
    for position in range(100):
        key = torch.zeros(1, 1, 1, 4)
        key[..., 0] = 9.0 if position in loved else 0.0
        query = torch.zeros(1, 1, 1, 4)
        query[..., 0] = 4.0
        cache.attend(query, key, torch.zeros(1, 1, 1, 4))
    assert loved <= set(cache.positions().flatten().tolist())


def test_a_long_prompt_and_its_generation_are_one_text() -> None:
    rng = random.Random(65)
    option = KVEviction(budget=5, protected=1)
    model = model_for(InferencePolicy((option,)), rng)
    tokens = some_text(model.architecture)
    length = tokens.shape[1]
    with torch.no_grad():
        steps, _ = one_by_one(model, InferencePolicy((option,)), tokens)
        cache = new_cache(InferencePolicy((option,)), model, batch=2)
        got = read(model, cache, tokens, [length - 3, 1, 1, 1])
    torch.testing.assert_close(got, steps)
