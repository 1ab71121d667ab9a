"""Architectures whose layers differ, made of ones whose layers are alike."""

from __future__ import annotations

import random

from nasviz.space.architecture import Architecture
from nasviz.space.layer_sizes import LayerSizes


def differing(whole: Architecture, rng: random.Random, n_layers: int = 4) -> Architecture:
    """Return `whole` with so many layers: a full one, one without attention, one without a
    feed-forward part, and others with all, half or none of either, in any order."""
    group = whole.n_heads // whole.n_kv_heads
    kv, inner = whole.n_kv_heads, whole.d_ff
    pairs = [(kv, inner), (0, inner), (kv, 0)]
    while len(pairs) < n_layers:
        drawn = rng.choice((kv, -(-kv // 2), 0)), rng.choice((inner, -(-inner // 2), 0))
        pairs += [drawn] * any(drawn)
    rng.shuffle(pairs)
    layers = tuple(LayerSizes(each * group, each, d_ff) for each, d_ff in pairs)
    return whole.with_(n_layers=n_layers, layer_sizes=layers)
