"""Random small architectures over every option, and models whose every weight is random."""

from __future__ import annotations

import random
from typing import Any

import torch

from nasviz.errors import InputError
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture

# Sizes are distinct primes where nothing divides, so that a swapped axis can't pass.
OPTIONS: dict[str, tuple[Any, ...]] = {
    "n_layers": (1, 2, 3),
    "d_model": (24, 30, 36, 42),
    "n_heads": (1, 2, 3, 6),
    "n_kv_heads": (1, 2, 3, 6),
    "head_dim": (6, 10, 14, None),
    "d_ff": (17, 53, None),
    "vocab_size": (61, 131),
    "context_length": (13, 19),
    "position": ("learned", "rope", "rope", "none"),
    "norm": ("layernorm", "rmsnorm"),
    "mlp": ("gelu", "relu", "relu2", "swiglu", "geglu"),
    "biases": ("none", "qkv", "all"),
    "tied_embeddings": (False, True),
    "qk_norm": (False, True),
    "parallel_block": (False, True),
    "experts": (1, 1, 2, 5),
    "experts_per_token": (1, 2, 3),
    "rotary_share": (1.0, 1.0, 0.5),
    "rope_theta": (10_000.0, 500_000.0),
    "rope_scaling": (1.0, 8.0),
    "extra_positions": (0, 2),
    "scaled_embedding": (False, True),
    "sliding_window": (0, 1, 7, 23),
    "norm_eps": (1e-5, 1e-6),
    "gelu_tanh": (False, True),
}


def random_architecture(rng: random.Random, **fixed: Any) -> Architecture:
    """Return an architecture drawn over all options, with some fields fixed."""
    while True:
        drawn = {name: rng.choice(choices) for name, choices in OPTIONS.items()}
        try:
            return Architecture(**{**drawn, **fixed})
        except InputError:  # sizes that don't fit each other: draw again
            continue


def random_model(architecture: Architecture, seed: int = 0) -> Transformer:
    """Return a model whose every weight is random: norms at 1 and biases at 0 hide mistakes."""
    model = Transformer(architecture).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                parameter.copy_(0.3 * drawn + ("norm" in name and name.endswith("weight")))
            else:
                parameter.copy_(0.6 * drawn / parameter.shape[1] ** 0.5)
    return model
