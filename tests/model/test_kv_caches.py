"""Claims about every policy of the cache: windows, eviction, few bits, and what combines."""

from __future__ import annotations

import random

import pytest
import torch
from kv_policies import model_for, one_by_one, random_chunks, random_policy, read, some_text
from random_models import random_architecture, random_model

from nasviz.errors import InputError
from nasviz.model.cache import KVCache
from nasviz.model.dynamic.caches import new_cache
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow

SMALL = Architecture(2, 24, 2, 61, 13)
SAME = {"atol": 1e-9, "rtol": 1e-9}


def policies(n: int, seed: int) -> list[InferencePolicy]:
    rng = random.Random(seed)
    return [random_policy(rng) for _ in range(n)]


@pytest.mark.parametrize(
    "options",
    [
        (),
        (KVWindow.neutral(),),
        (KVWindow(window=19, sinks=3),),  # as wide as the widest context here
        (KVEviction.neutral(),),
        (KVEviction(budget=19),),
        (KVQuantization.neutral(),),
        (KVWindow.neutral(), KVQuantization.neutral()),
        (KVEviction.neutral(), KVQuantization.neutral()),
    ],
)
def test_neutral_settings_give_the_static_logits_bit_for_bit(options) -> None:
    rng = random.Random(31)
    for number in range(15):
        model = random_model(random_architecture(rng, sliding_window=0), number)
        tokens = some_text(model.architecture)
        chunks = random_chunks(rng, tokens.shape[1])
        with torch.no_grad():
            static = read(model, KVCache(model.architecture, batch=2), tokens, chunks)
            cache = new_cache(InferencePolicy(options), model, batch=2)
            assert torch.equal(read(model, cache, tokens, chunks), static)


def test_a_model_s_own_window_is_kept_by_neutral_settings() -> None:
    rng = random.Random(32)
    for option in (KVWindow.neutral(), KVEviction.neutral(), KVQuantization.neutral()):
        model = random_model(random_architecture(rng, sliding_window=7))
        tokens = some_text(model.architecture)
        chunks = random_chunks(rng, tokens.shape[1])
        with torch.no_grad():
            static = read(model, KVCache(model.architecture, batch=2), tokens, chunks)
            cache = new_cache(InferencePolicy((option,)), model, batch=2)
            assert torch.equal(read(model, cache, tokens, chunks), static)
            assert cache.reserved_bytes == KVCache(model.architecture, batch=2).reserved_bytes


def test_a_chunk_is_its_tokens_one_by_one() -> None:
    rng = random.Random(33)
    for policy in policies(80, seed=33):
        model = model_for(policy, rng)
        tokens = some_text(model.architecture)
        chunks = random_chunks(rng, tokens.shape[1])
        with torch.no_grad():
            steps, by_steps = one_by_one(model, policy, tokens)
            by_chunks = new_cache(policy, model, batch=2)
            got = read(model, by_chunks, tokens, chunks)
        torch.testing.assert_close(got, steps, **SAME, msg=f"{policy} {model.architecture}")
        for layer in range(model.architecture.n_layers):
            assert torch.equal(by_chunks.positions(layer), by_steps.positions(layer))
        assert by_chunks.filled_bytes == by_steps.filled_bytes


def test_the_last_tokens_alone_are_those_of_all() -> None:
    rng = random.Random(34)
    for policy in policies(60, seed=34):
        model = model_for(policy, rng)
        tokens = some_text(model.architecture)
        with torch.no_grad():
            whole = read(model, new_cache(policy, model, batch=2), tokens, [5, tokens.shape[1] - 5])
            cache = new_cache(policy, model, batch=2)
            model.run_layers(model.embed(tokens[:, :5]), cache=cache)
            rest = model.embed(tokens[:, 5:], 5)
            got = model.head(model.run_layers(rest, cache=cache, last=3))
        torch.testing.assert_close(got, whole[:, -3:], **SAME, msg=str(policy))


def test_a_batch_is_its_texts_one_by_one() -> None:
    rng = random.Random(35)
    for policy in policies(40, seed=35):
        model = model_for(policy, rng)
        tokens = some_text(model.architecture, batch=3)
        with torch.no_grad():
            together, cache = one_by_one(model, policy, tokens)
            for row, text in enumerate(tokens.split(1)):
                alone, own = one_by_one(model, policy, text)
                torch.testing.assert_close(together[row : row + 1], alone, **SAME, msg=str(policy))
                for layer in range(model.architecture.n_layers):
                    assert torch.equal(cache.positions(layer)[row], own.positions(layer)[0])


def test_a_cleared_cache_is_as_new() -> None:
    rng = random.Random(36)
    for policy in policies(40, seed=36):
        model = model_for(policy, rng)
        first, second = some_text(model.architecture), some_text(model.architecture)
        chunks = random_chunks(rng, first.shape[1])
        with torch.no_grad():
            used = new_cache(policy, model, batch=2)
            read(model, used, first, chunks)
            used.clear()
            assert (used.length, used.filled_bytes, used.positions(0).shape[2]) == (0, 0, 0)
            fresh = new_cache(policy, model, batch=2)
            again = read(model, used, second, chunks)
            assert torch.equal(again, read(model, fresh, second, chunks))


def test_the_latest_position_is_kept_and_none_twice() -> None:
    rng = random.Random(37)
    for policy in policies(30, seed=37):
        model = model_for(policy, rng)
        _, cache = one_by_one(model, policy, some_text(model.architecture))
        for layer in range(model.architecture.n_layers):
            kept = cache.positions(layer)
            assert kept.shape[:2] == (2, model.architecture.n_kv_heads)
            assert (kept[..., 1:] > kept[..., :-1]).all()
            assert (kept[..., -1] == cache.length - 1).all()


def test_what_is_kept_stays_within_what_was_reserved() -> None:
    rng = random.Random(38)
    for policy in policies(30, seed=38):
        model = model_for(policy, rng)
        tokens = some_text(model.architecture)
        cache = new_cache(policy, model, batch=2)
        reserved = cache.reserved_bytes
        for column in tokens.split(1, dim=1):
            model.prefill(column, cache)
            assert 0 < cache.filled_bytes <= cache.reserved_bytes == reserved


def test_keys_kept_without_a_query_are_there_for_the_next_token() -> None:
    rng = random.Random(39)
    for policy in policies(40, seed=39):
        model = model_for(policy, rng)
        tokens = some_text(model.architecture)
        cache = new_cache(policy, model, batch=2)
        with torch.no_grad():
            model.keep_only(model.embed(tokens[:, :6]), cache, 0)
            assert cache.length == 6
            assert model.decode(tokens[:, 6], cache).isfinite().all()
        for layer in range(model.architecture.n_layers):
            assert (cache.positions(layer)[..., -1] == 6).all()


def test_a_window_and_eviction_are_refused_together() -> None:
    with pytest.raises(InputError, match="kv_eviction can't be combined with kv_window: both say"):
        InferencePolicy((KVWindow(), KVEviction()))


def test_eviction_is_refused_where_the_model_has_its_own_window() -> None:
    model = random_model(SMALL.with_(sliding_window=5))
    with pytest.raises(InputError, match=r"sliding_window=5, kv_eviction\.budget=8: the model's"):
        new_cache(InferencePolicy((KVEviction(budget=8),)), model)


def test_settings_that_keep_nothing_are_refused() -> None:
    with pytest.raises(InputError, match=r"budget=4, kv_eviction\.protected=4: .* raise it"):
        KVEviction(budget=4, protected=4)
    with pytest.raises(InputError, match=r"kv_quantization\.bits=3: the bits are 8, 4 or 2"):
        KVQuantization(bits=3)
