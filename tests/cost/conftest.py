"""Random architectures over every option, with sizes that don't hide a swapped axis."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from nasviz.space.architecture import Architecture


@pytest.fixture(scope="session")
def random_architectures() -> Callable[..., list[Architecture]]:
    """A function from a count and a seed to so many small architectures over all options."""

    def draw(count: int, seed: int) -> list[Architecture]:
        rng = random.Random(seed)
        return [_one(rng) for _ in range(count)]

    return draw


def _one(rng: random.Random) -> Architecture:
    n_kv_heads = rng.choice([1, 2, 3])
    n_heads = n_kv_heads * rng.choice([1, 2, 3])
    head_dim = rng.choice([6, 10, 14, 22])
    experts = rng.choice([1, 1, 3, 5])
    return Architecture(
        n_layers=rng.randint(1, 4),
        d_model=rng.choice([23, 29, 31, 37]),
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        head_dim=head_dim,
        d_ff=rng.choice([41, 43, 47, 53]),
        vocab_size=rng.choice([59, 61, 67, 71]),
        context_length=rng.choice([17, 19, 41]),
        position=rng.choice(["learned", "rope", "none"]),
        norm=rng.choice(["layernorm", "rmsnorm"]),
        mlp=rng.choice(["gelu", "relu", "relu2", "swiglu", "geglu"]),
        biases=rng.choice(["none", "qkv", "all"]),
        tied_embeddings=rng.choice([True, False]),
        qk_norm=rng.choice([True, False]),
        parallel_block=rng.choice([True, False]),
        experts=experts,
        experts_per_token=rng.randint(1, experts),
        rotary_share=1.0,
        extra_positions=rng.choice([0, 2]),
        scaled_embedding=rng.choice([True, False]),
        sliding_window=rng.choice([0, 0, 5, 11]),
    )
