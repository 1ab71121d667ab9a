"""`subnetwork`: a smaller model inside a larger one, made of slices of its weights.

A slice takes the first of everything: embedding dimensions, groups of heads, feed-forward rows,
tokens (merges are ordered, so a smaller vocabulary is a prefix) and positions; layers can be named,
and each can have sizes of its own.
Nested training makes the first ones carry the most (Devvrit et al. 2023, MatFormer,
arXiv:2310.07707; Yu et al. 2018, arXiv:1812.08928).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from nasviz.errors import InputError
from nasviz.model.shallow import shallow_copy
from nasviz.model.transformer import (
    Attention,
    Block,
    Experts,
    FeedForward,
    Head,
    RmsNorm,
    Transformer,
)
from nasviz.space.architecture import NAMES, Architecture
from nasviz.space.layer_sizes import LayerSizes, check_within

# The sizes that a slice can have smaller; every other field must be the model's own.
SLICED = (
    "n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "vocab_size", "context_length",
)  # fmt: skip


def subnetwork(
    model: Transformer, architecture: Architecture, layers: Sequence[int] | None = None
) -> Transformer:
    """Return a model of the sizes of `architecture` whose weights are slices of `model`'s.

    `layers` are those of `model` that it has, in rising order, counted from 0 (default: the first).
    Nothing is copied and `model` is not changed: what later happens to its weights happens to the
    result. Made where gradients are recorded, the result passes them on to `model`'s parameters.

    Raises `InputError` for sizes that are no slice of the model's.
    """
    layers = range(architecture.n_layers) if layers is None else layers
    _check(model.architecture, architecture, layers)
    _check_additions(model, architecture)
    result = shallow_copy(model)
    result.architecture = architecture
    result.blocks = nn.ModuleList(result.blocks[layer] for layer in layers)
    if model.block_influence is not None:
        result.block_influence = tuple(model.block_influence[layer] for layer in layers)
    for place, block in enumerate(result.blocks):
        assert isinstance(block, Block)
        block.layer = place
        _narrow_block(block, architecture, architecture.sizes_of(place))
    _narrow_embedding(result.token_embedding, architecture.vocab_size, architecture.d_model)
    if result.position_embedding is not None:
        positions = architecture.context_length + architecture.extra_positions
        _narrow_embedding(result.position_embedding, positions, architecture.d_model)
    _narrow_head(result.head, architecture)
    return result


def _narrow_block(block: Block, a: Architecture, sizes: LayerSizes) -> None:
    if not sizes.n_heads:
        block.attention_norm = block.attention = None
    if not sizes.d_ff:
        block.feed_forward_norm = block.feed_forward = None
    for norm in (block.attention_norm, block.feed_forward_norm):
        if norm is not None:
            _narrow_norm(norm, a.d_model)
    if block.attention is not None:
        _narrow_attention(block.attention, a, sizes)
    if isinstance(block.feed_forward, Experts):
        _narrow_linear(block.feed_forward.router, a.experts, a.d_model)
        for expert in block.feed_forward.experts:
            assert isinstance(expert, FeedForward)
            _narrow_feed_forward(expert, a.d_model, sizes.d_ff)
    elif block.feed_forward is not None:
        _narrow_feed_forward(block.feed_forward, a.d_model, sizes.d_ff)


def _narrow_attention(attention: Attention, a: Architecture, sizes: LayerSizes) -> None:
    query, kv = sizes.n_heads * a.head_dim, sizes.n_kv_heads * a.head_dim
    attention.n_heads, attention.n_kv_heads = sizes.n_heads, sizes.n_kv_heads
    _narrow_linear(attention.query, query, a.d_model)
    _narrow_linear(attention.key, kv, a.d_model)
    _narrow_linear(attention.value, kv, a.d_model)
    _narrow_linear(attention.output, a.d_model, query)


def _narrow_feed_forward(part: FeedForward, d_model: int, d_ff: int) -> None:
    for inward in (part.gate, part.up):
        if inward is not None:
            _narrow_linear(inward, d_ff, d_model)
    _narrow_linear(part.down, d_model, d_ff)


def _narrow_linear(linear: nn.Module, outputs: int, inputs: int) -> None:
    if not isinstance(linear, nn.Linear):
        # A quantised or sparse matrix of the right size needs nothing; another can't be cut.
        if linear.out_features != outputs or linear.in_features != inputs:
            raise InputError(
                f"a {type(linear).__name__} is no plain matrix to take a slice of; make the "
                "narrower model first, then change how its weights are held"
            )
        return
    linear.out_features, linear.in_features = outputs, inputs
    _slice(linear, "weight", outputs, inputs)
    _slice(linear, "bias", outputs)


def _narrow_embedding(embedding: nn.Embedding, rows: int, width: int) -> None:
    embedding.num_embeddings, embedding.embedding_dim = rows, width
    _slice(embedding, "weight", rows, width)


def _narrow_head(head: Head, a: Architecture) -> None:
    _narrow_norm(head.norm, a.d_model)
    _slice(head, "weight", a.vocab_size, a.d_model)


def _narrow_norm(norm: nn.Module, width: int) -> None:
    assert isinstance(norm, RmsNorm | nn.LayerNorm)
    if isinstance(norm, nn.LayerNorm):
        norm.normalized_shape = (width,)
        _slice(norm, "bias", width)
    _slice(norm, "weight", width)


def _slice(module: nn.Module, name: str, *sizes: int) -> None:
    """Put the first of a parameter in its place; a whole one stays what it is.

    It goes past `register_parameter`, which takes leaves only: this one's gradient belongs to the
    parameter that it is a part of. `torch.func.functional_call` puts tensors there as well.
    """
    whole = module._parameters.get(name)
    if whole is not None and whole.shape != sizes:
        part: Tensor = whole[tuple(slice(size) for size in sizes)]
        module._parameters[name] = part  # type: ignore[assignment]


def _check(whole: Architecture, part: Architecture, layers: Sequence[int]) -> None:
    for name in NAMES:
        had, wanted = getattr(whole, name), getattr(part, name)
        if name not in SLICED and had != wanted:
            raise InputError(
                f"{name}={wanted!r} is no slice of a model with {name}={had!r}; only "
                f"{', '.join(SLICED)} can be smaller"
            )
        if name in SLICED and wanted > had:
            raise InputError(f"{name}={wanted} is more than the model's {had}")
    group, wanted = whole.n_heads // whole.n_kv_heads, part.n_heads // part.n_kv_heads
    if wanted != group and not (part.n_kv_heads == 1 and wanted < group):
        raise InputError(
            f"n_heads={part.n_heads} with n_kv_heads={part.n_kv_heads} has {wanted} heads a group, "
            f"the model {group}: the first heads of several groups are no slice; take "
            f"n_heads={part.n_kv_heads * group}"
        )
    if len(layers) != part.n_layers:
        raise InputError(f"n_layers={part.n_layers} and {len(layers)} layers named; give as many")
    rising = all(earlier < later for earlier, later in pairwise(layers))
    if not rising or layers[0] < 0 or layers[-1] >= whole.n_layers:
        raise InputError(
            f"layers={list(layers)} are not in rising order from 0 to {whole.n_layers - 1}"
        )
    for place, layer in enumerate(layers):
        check_within(whole.sizes_of(layer), part.sizes_of(place), f"layer {layer} of the model")


def _check_additions(model: Transformer, part: Architecture) -> None:
    """Raise `InputError` where exits and the like were learned for the model's full width."""
    for name in ("d_model", "vocab_size"):
        if len(model.additions) and getattr(part, name) != getattr(model.architecture, name):
            raise InputError(
                f"{', '.join(model.additions)} was learned for "
                f"{name}={getattr(model.architecture, name)}, not for {getattr(part, name)}"
            )
