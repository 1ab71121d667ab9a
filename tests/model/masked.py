"""A parent with parts masked by hooks, whole weights and code: what a pruned model must equal."""

from __future__ import annotations

import copy
import random
from typing import Any

import torch
from torch import Tensor, nn

from nasviz.model.transformer import Experts, Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.kept import Kept


def masked(model: Transformer, kept: Kept) -> Transformer:
    """Return a copy of `model`, every tensor of the same shape, in which the rest adds nothing."""
    twin = copy.deepcopy(model)
    a = model.architecture
    channels = indicator(kept.channels, a.d_model)
    for norm in [twin.head.norm, *(module for block in twin.blocks for module in norms(block))]:
        norm.register_forward_pre_hook(lambda module, inputs: (neutral(module, *inputs, channels),))
        norm.register_forward_hook(lambda module, inputs, output: output * channels)
    for layer, block in enumerate(twin.blocks):
        if layer not in kept.layers:
            silence(block.attention)
            silence(block.feed_forward)
            continue
        place, sizes = kept.layers.index(layer), a.sizes_of(layer)
        if kept.heads[place]:
            heads = indicator(kept.heads[place], sizes.n_heads).repeat_interleave(a.head_dim)
            zero_inputs(block.attention.output, heads)
        else:
            silence(block.attention)
        if not kept.ff_units[place][0]:
            silence(block.feed_forward)
            continue
        several = isinstance(block.feed_forward, Experts)
        experts = block.feed_forward.experts if several else [block.feed_forward]
        if several:
            chosen = indicator(kept.experts[place], a.experts).bool()
            block.feed_forward.router.register_forward_hook(
                lambda module, inputs, scores, chosen=chosen: scores.masked_fill(
                    ~chosen, -torch.inf
                )
            )
        for expert, units in zip(kept.experts[place], kept.ff_units[place], strict=True):
            zero_inputs(experts[expert].down, indicator(units, sizes.d_ff))
    return twin


def masked_logits(model: Transformer, kept: Kept, tokens: Tensor) -> Tensor:
    return masked(model, kept)(tokens)[..., : kept.vocab_size]


def norms(block: nn.Module) -> list[nn.Module]:
    both = (block.attention_norm, block.feed_forward_norm)
    return [each for each in both if each is not None]


def neutral(norm: nn.Module, x: Tensor, channels: Tensor) -> Tensor:
    """Return `x` with masked channels at what the norm takes for nothing."""
    mean = 0.0
    if isinstance(norm, nn.LayerNorm):
        mean = (x * channels).sum(dim=-1, keepdim=True) / channels.sum()
    return torch.where(channels.bool(), x, mean)


def zero_inputs(linear: nn.Module, mask: Tensor) -> None:
    linear.register_forward_pre_hook(lambda module, inputs: (inputs[0] * mask,))


def silence(module: nn.Module | None) -> None:
    if module is not None:  # a layer may have had no such part
        module.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))


def indicator(kept: tuple[int, ...], n: int) -> Tensor:
    return torch.zeros(n).index_fill(0, torch.tensor(kept), 1.0)


def some(rng: random.Random, n: int, least: int = 1, count: int | None = None) -> tuple[int, ...]:
    """Return some of `n` numbers, rising."""
    return tuple(sorted(rng.sample(range(n), rng.randint(least, n) if count is None else count)))


def some_layers(parent: Architecture, rng: random.Random) -> tuple[int, ...]:
    """Return some layers, among them one with attention and one with a feed-forward part."""
    while True:
        drawn = some(rng, parent.n_layers)
        sizes = [parent.sizes_of(layer) for layer in drawn]
        if any(each.n_heads for each in sizes) and any(each.d_ff for each in sizes):
            return drawn


def counts_by_layer(most: list[tuple[int, int]], rng: random.Random) -> list[tuple[int, int]]:
    """Return KV heads and feed-forward units of each layer, at most so many, often none."""
    while True:
        drawn = [
            tuple(rng.choice((0, n, rng.randint(min(1, n), n))) for n in each) for each in most
        ]
        attends, feeds = zip(*drawn, strict=True)
        if any(attends) and any(feeds) and all(map(any, drawn)):
            return drawn


def random_kept(parent: Architecture, rng: random.Random, kinds: tuple[str, ...]) -> Kept:
    """Return a random choice of these kinds of parts; other kinds remain whole."""
    chosen: dict[str, Any] = {}
    layers = some_layers(parent, rng) if "layers" in kinds else tuple(range(parent.n_layers))
    chosen["layers"] = layers
    sizes = [parent.sizes_of(layer) for layer in layers]
    # Without "by_layer" all layers keep as many of all they have, so far as they have them.
    group = parent.n_heads // parent.n_kv_heads
    of_group = rng.randint(1, group) if "heads" in kinds else group
    n_groups = rng.randint(1, parent.n_kv_heads) if "kv_groups" in kinds else parent.n_kv_heads
    units = rng.randint(1, parent.d_ff) if "ff_units" in kinds else parent.d_ff
    counts = [(min(n_groups, each.n_kv_heads), min(units, each.d_ff)) for each in sizes]
    if "by_layer" in kinds:
        counts = counts_by_layer(counts, rng)
    chosen["heads"] = [
        sorted(
            head
            for one in some(rng, each.n_kv_heads, count=n_groups)
            for head in (one * group + number for number in some(rng, group, count=of_group))
        )
        for each, (n_groups, _) in zip(sizes, counts, strict=True)
    ]
    n_experts = rng.randint(1, parent.experts) if "experts" in kinds else parent.experts
    chosen["experts"] = [some(rng, parent.experts, count=n_experts) for _ in layers]
    chosen["ff_units"] = [
        [some(rng, each.d_ff, count=d_ff) for _ in range(n_experts)]
        for each, (_, d_ff) in zip(sizes, counts, strict=True)
    ]
    if "channels" in kinds:
        chosen["channels"] = some(rng, parent.d_model, least=4)
    for name in ("vocab_size", "context_length"):
        if name in kinds:
            chosen[name] = rng.randint(2, getattr(parent, name))
    return Kept.of(parent, **chosen)
