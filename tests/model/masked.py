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
        place = kept.layers.index(layer)
        heads = indicator(kept.heads[place], a.n_heads).repeat_interleave(a.head_dim)
        zero_inputs(block.attention.output, heads)
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
            zero_inputs(experts[expert].down, indicator(units, a.d_ff))
    return twin


def masked_logits(model: Transformer, kept: Kept, tokens: Tensor) -> Tensor:
    return masked(model, kept)(tokens)[..., : kept.vocab_size]


def norms(block: nn.Module) -> tuple[nn.Module, nn.Module]:
    return block.attention_norm, block.feed_forward_norm


def neutral(norm: nn.Module, x: Tensor, channels: Tensor) -> Tensor:
    """Return `x` with masked channels at what the norm takes for nothing."""
    mean = 0.0
    if isinstance(norm, nn.LayerNorm):
        mean = (x * channels).sum(dim=-1, keepdim=True) / channels.sum()
    return torch.where(channels.bool(), x, mean)


def zero_inputs(linear: nn.Module, mask: Tensor) -> None:
    linear.register_forward_pre_hook(lambda module, inputs: (inputs[0] * mask,))


def silence(module: nn.Module) -> None:
    module.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))


def indicator(kept: tuple[int, ...], n: int) -> Tensor:
    return torch.zeros(n).index_fill(0, torch.tensor(kept), 1.0)


def some(rng: random.Random, n: int, least: int = 1, count: int | None = None) -> tuple[int, ...]:
    """Return some of `n` numbers, rising."""
    return tuple(sorted(rng.sample(range(n), count or rng.randint(least, n))))


def random_kept(parent: Architecture, rng: random.Random, kinds: tuple[str, ...]) -> Kept:
    """Return a random choice of these kinds of parts; other kinds remain whole."""
    chosen: dict[str, Any] = {}
    if "layers" in kinds:
        chosen["layers"] = some(rng, parent.n_layers)
    n_layers = len(chosen.get("layers", range(parent.n_layers)))
    if "kv_groups" in kinds or "heads" in kinds:
        group = parent.n_heads // parent.n_kv_heads
        n_groups = rng.randint(1, parent.n_kv_heads) if "kv_groups" in kinds else parent.n_kv_heads
        of_group = rng.randint(1, group) if "heads" in kinds else group
        chosen["heads"] = [
            sorted(
                head
                for one in some(rng, parent.n_kv_heads, count=n_groups)
                for head in (one * group + each for each in some(rng, group, count=of_group))
            )
            for _ in range(n_layers)
        ]
    n_experts = parent.experts
    if "experts" in kinds:
        n_experts = rng.randint(1, parent.experts)
        chosen["experts"] = [some(rng, parent.experts, count=n_experts) for _ in range(n_layers)]
    if "ff_units" in kinds:
        d_ff = rng.randint(1, parent.d_ff)
        chosen["ff_units"] = [
            [some(rng, parent.d_ff, count=d_ff) for _ in range(n_experts)] for _ in range(n_layers)
        ]
    if "channels" in kinds:
        chosen["channels"] = some(rng, parent.d_model, least=4)
    for name in ("vocab_size", "context_length"):
        if name in kinds:
            chosen[name] = rng.randint(2, getattr(parent, name))
    return Kept.of(parent, **chosen)
