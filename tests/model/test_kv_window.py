"""A window with sinks: the plain model under an explicit mask, and what is really kept."""

from __future__ import annotations

import random

import torch
from kv_policies import one_by_one, random_chunks, random_window, read, some_text
from random_models import random_architecture, random_model
from torch import Tensor

from nasviz.model.dynamic.caches import new_cache
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_window import KVWindow


def in_sight(option: KVWindow, own: int, tokens: int) -> Tensor:
    """Return which positions (columns) each position (rows) attends to, from the definition."""
    width = min(option.window, own or option.window)
    return torch.tensor(
        [
            [key <= query and (key < option.sinks or query - key < width) for key in range(tokens)]
            for query in range(tokens)
        ]
    )


def masked(model: Transformer, tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the plain model's logits (B, T, V) under an explicit mask (T, T)."""
    hidden = model.embed(tokens)
    turns = None if model.rotary is None else model.rotary.at(0, tokens.shape[1], hidden)
    for block in model.blocks:
        hidden = block(hidden, turns, mask, None, tokens.shape[1])
    return model.head(hidden)


def test_a_window_is_the_plain_model_under_its_mask() -> None:
    rng = random.Random(51)
    for number in range(80):
        model = random_model(random_architecture(rng), number)
        option = random_window(rng)
        tokens = some_text(model.architecture)
        mask = in_sight(option, model.architecture.sliding_window, tokens.shape[1])
        with torch.no_grad():
            expected = masked(model, tokens, mask)
            policy = InferencePolicy((option,))
            steps, _ = one_by_one(model, policy, tokens)
            cache = new_cache(policy, model, batch=2)
            chunks = read(model, cache, tokens, random_chunks(rng, tokens.shape[1]))
        torch.testing.assert_close(steps, expected, atol=1e-5, rtol=1e-5, msg=f"{option}")
        torch.testing.assert_close(chunks, expected, atol=1e-5, rtol=1e-5, msg=f"{option}")


def test_the_positions_kept_are_those_that_the_latest_token_sees() -> None:
    rng = random.Random(52)
    for _ in range(30):
        model = random_model(random_architecture(rng))
        option = random_window(rng)
        tokens = some_text(model.architecture)
        mask = in_sight(option, model.architecture.sliding_window, tokens.shape[1])
        cache = new_cache(InferencePolicy((option,)), model, batch=2)
        for place, column in enumerate(tokens.split(1, dim=1)):
            model.prefill(column, cache)
            seen = mask[place].nonzero().flatten()
            for layer in range(model.architecture.n_layers):
                assert (cache.positions(layer) == seen).all()


def test_no_more_is_reserved_than_sinks_and_window() -> None:
    rng = random.Random(53)
    architecture = random_architecture(rng, context_length=19, sliding_window=0)
    model = random_model(architecture)
    cache = new_cache(InferencePolicy((KVWindow(window=5, sinks=2),)), model, batch=3)
    one_number = 2 * architecture.n_layers * 3 * architecture.n_kv_heads * architecture.head_dim * 4
    assert cache.reserved_bytes == 7 * one_number


def test_a_token_beyond_the_window_counts_only_as_a_sink() -> None:
    rng = random.Random(54)
    for _ in range(10):
        model = random_model(random_architecture(rng, n_layers=1, sliding_window=0))
        tokens = some_text(model.architecture)
        changed = tokens.clone()
        changed[:, 1] = (changed[:, 1] + 1) % model.architecture.vocab_size
        for sinks, same in ((1, True), (2, False)):
            policy = InferencePolicy((KVWindow(window=3, sinks=sinks),))
            with torch.no_grad():
                before, _ = one_by_one(model, policy, tokens)
                after, _ = one_by_one(model, policy, changed)
            assert torch.allclose(before[:, 4:], after[:, 4:], atol=1e-6) == same
