"""Policies of the cache to make claims about, and ways to read a text with them."""

from __future__ import annotations

import random

import torch
from random_models import random_architecture, random_model
from torch import Tensor

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.caches import new_cache
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow


def random_window(rng: random.Random) -> KVWindow:
    return KVWindow(window=rng.choice((1, 2, 3, 5, 7)), sinks=rng.choice((0, 1, 2, 4)))


def random_eviction(rng: random.Random) -> KVEviction:
    protected = rng.choice((0, 1, 2))
    return KVEviction(
        budget=protected + rng.choice((1, 2, 3, 6, 9)),
        policy=rng.choice(("heavy_hitters", "random", "local")),
        recent=rng.choice((0.0, 0.5, 0.7, 1.0)),
        protected=protected,
        seed=rng.randrange(100),
    )


def random_quantization(rng: random.Random) -> KVQuantization:
    return KVQuantization(
        bits=rng.choice((8, 4, 2)),
        group=rng.choice((1, 2, 3, 4, 32)),
        residual=rng.choice((0, 1, 3, 4, 8)),
        keys=rng.choice(("per_channel", "per_token")),
    )


def random_policy(rng: random.Random) -> InferencePolicy:
    """Return a window, eviction or neither, and bits or not, but not nothing."""
    while True:
        options = [rng.choice((random_window, random_eviction, None)), random_quantization]
        chosen = [make(rng) for make in options if make is not None and rng.random() < 0.8]
        if chosen:
            return InferencePolicy(tuple(chosen))


def model_for(policy: InferencePolicy, rng: random.Random) -> Transformer:
    """Return a random model that the policy fits, in double precision.

    There the same number computed in two ways is nearly never rounded to two codes, and two scores
    of attention are nearly never equal by accident.
    """
    fixed = {"sliding_window": 0} if policy.get(KVEviction) else {}
    return random_model(random_architecture(rng, **fixed), rng.randrange(1000)).double()


def some_text(architecture: Architecture, batch: int = 2) -> Tensor:
    return torch.randint(architecture.vocab_size, (batch, architecture.context_length))


def read(model: Transformer, cache: KVCache, tokens: Tensor, chunks: list[int]) -> Tensor:
    """Return the logits (B, T, V) of texts that are read in chunks of these sizes."""
    logits = []
    for part in torch.split(tokens, chunks, dim=1):
        hidden = model.embed(part, cache.length)
        logits.append(model.head(model.run_layers(hidden, cache=cache)))
    return torch.cat(logits, dim=1)


def one_by_one(
    model: Transformer, policy: InferencePolicy, tokens: Tensor
) -> tuple[Tensor, KVCache]:
    """Return the logits (B, T, V) of texts read token by token, and the cache."""
    cache = new_cache(policy, model, batch=len(tokens))
    return read(model, cache, tokens, [1] * tokens.shape[1]), cache


def random_chunks(rng: random.Random, tokens: int) -> list[int]:
    """Return sizes of chunks that add up to `tokens`."""
    sizes = []
    while sum(sizes) < tokens:
        sizes.append(min(rng.choice((1, 1, 2, 5, 9)), tokens - sum(sizes)))
    return sizes
