"""`Importance`: how much each part of a model matters, and which parts a smaller one keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.architecture import NAMES, Architecture
from nasviz.space.kept import Indices, Kept
from nasviz.space.layer_sizes import LayerSizes, check_within

Scores = NDArray[np.float64]

# The sizes that pruning makes smaller, the last two from their end; other fields are the parent's.
MEASURED = ("n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "experts")
PRUNED = (*MEASURED, "vocab_size", "context_length")


@dataclass(frozen=True)
class Importance:
    """Scores of every part of a model, more for what matters more; comparable within a kind.

    Shapes, for L layers of H heads and X experts with F units each, M channels: `layers` (L,),
    `heads` (L, H), `experts` (L, X), `ff_units` (L, X, F), `channels` (M,). Where layers differ, H
    and F are the largest, and the places of what a layer has not are read by nobody.
    """

    layers: Scores
    heads: Scores
    experts: Scores
    ff_units: Scores
    channels: Scores


def choose(
    parent: Architecture,
    target: Architecture,
    importance: Importance,
    layers: Sequence[int] | None = None,
) -> Kept:
    """Return the most important parts of `parent` that come to the sizes of `target`.

    Each layer keeps its own heads, experts and feed-forward units, as many as `target` says of it
    (the first kept layer has the sizes of its first one, and so on). Whole KV groups are compared
    by their heads' sum, then the heads of each remaining group. `layers` names the layers that stay
    where their scores don't decide. Of equals the first stays.

    Raises `InputError` where pruning can't reach `target`, naming the size and what could be.
    """
    check_reachable(parent, target)
    kept_layers = (
        most_important(importance.layers, target.n_layers) if layers is None else tuple(layers)
    )
    experts = [most_important(importance.experts[layer], target.experts) for layer in kept_layers]
    heads, units = [], []
    for layer, chosen, sizes in zip(kept_layers, experts, target.sizes_by_layer, strict=True):
        had = parent.sizes_of(layer)
        check_within(had, sizes, f"layer {layer} of the parent")
        heads.append(_heads(had, sizes, importance.heads[layer]))
        scores = importance.ff_units[layer, :, : had.d_ff]  # (X, F)
        units.append([most_important(scores[expert], sizes.d_ff) for expert in chosen])
    return Kept.of(
        parent,
        layers=kept_layers,
        heads=heads,
        experts=experts,
        ff_units=units,
        channels=most_important(importance.channels, target.d_model),
        vocab_size=target.vocab_size,
        context_length=target.context_length,
    )


def check_reachable(parent: Architecture, target: Architecture) -> None:
    """Raise `InputError` where `target` is not what pruning can leave of `parent`.

    Where the layers of the parent differ, what each can leave is known when layers are chosen.
    """
    for name in NAMES:
        had, wanted = getattr(parent, name), getattr(target, name)
        if name in PRUNED and wanted > had:
            raise InputError(
                f"{name}={wanted} can't be reached: the parent has {had}, and pruning only "
                f"removes; choose at most {had}"
            )
        if name not in (*PRUNED, "experts_per_token") and had != wanted:
            raise InputError(
                f"{name}={wanted!r} can't be reached: the parent has {had!r}, and pruning "
                f"changes only {', '.join(PRUNED)}"
            )
    if target.n_layers == parent.n_layers:
        pairs = zip(parent.sizes_by_layer, target.sizes_by_layer, strict=True)
        for layer, (before, after) in enumerate(pairs):
            check_within(before, after, f"layer {layer} of the parent")
    used = min(parent.experts_per_token, target.experts)
    if target.experts_per_token != used:
        raise InputError(
            f"experts_per_token={target.experts_per_token} can't be reached: of "
            f"{target.experts} experts {used} are used for each token, as in the parent"
        )
    had, wanted = parent.n_heads // parent.n_kv_heads, target.n_heads // target.n_kv_heads
    if wanted > had:
        raise InputError(
            f"n_heads={target.n_heads} with n_kv_heads={target.n_kv_heads} can't be reached: it "
            f"has {wanted} query heads for each KV head and the parent {had}; choose "
            f"n_kv_heads={-(-target.n_heads // had)} or more"
        )


def parts_go(parent: Architecture, target: Architecture) -> bool:
    """Return whether `target` lacks parts of the layers of `parent`, or may: not layers alone."""
    sizes = (name for name in MEASURED if name != "n_layers")
    fewer = any(getattr(parent, name) != getattr(target, name) for name in sizes)
    return fewer or bool(parent.layer_sizes or target.layer_sizes)


def steps_to(parent: Architecture, target: Architecture, rounds: int) -> list[Architecture]:
    """Return the sizes after each of so many rounds of pruning, equal shares each; last `target`.

    Vocabulary and context, which are cut and not measured, are the parent's until the last round.
    Sizes that differ by layer get there in equal shares too where all layers stay; where some go,
    which ones is not known before, and the last round alone tells layers apart.

    Raises `InputError` where `target` can't be reached, or not by rounds.

    >>> parent = Architecture(8, 96, 3, vocab_size=256, context_length=64)
    >>> [each.n_layers for each in steps_to(parent, parent.with_(n_layers=4), 2)]
    [6, 4]
    """
    check_reachable(parent, target)
    if rounds > 1 and parent.layer_sizes and parent.n_layers != target.n_layers:
        raise InputError(
            f"rounds={rounds}: the parent's layers differ, and sizes in between depend on which of "
            "them stay; prune in one round"
        )
    before = [_between(parent, target, number / rounds) for number in range(1, rounds)]
    return [*before, target]


def _between(parent: Architecture, target: Architecture, share: float) -> Architecture:
    def size(had: int, wanted: int) -> int:
        return round(had + (wanted - had) * share)

    sizes = {name: size(getattr(parent, name), getattr(target, name)) for name in MEASURED}
    group = size(parent.n_heads // parent.n_kv_heads, target.n_heads // target.n_kv_heads)
    experts_per_token = min(parent.experts_per_token, sizes["experts"])

    def layer(had: LayerSizes, wanted: LayerSizes) -> LayerSizes:
        kv_heads = size(had.n_kv_heads, wanted.n_kv_heads)
        return LayerSizes(kv_heads * group, kv_heads, size(had.d_ff, wanted.d_ff))

    if parent.n_layers == target.n_layers:
        pairs = list(zip(parent.sizes_by_layer, target.sizes_by_layer, strict=True))
    else:
        most = LayerSizes(target.n_heads, target.n_kv_heads, target.d_ff)
        pairs = [(parent.sizes_of(0), most)] * sizes["n_layers"]
    return parent.with_(
        n_layers=sizes["n_layers"],
        layer_sizes=tuple(layer(*pair) for pair in pairs),
        d_model=sizes["d_model"],
        experts=sizes["experts"],
        experts_per_token=experts_per_token,
    )


def _heads(had: LayerSizes, kept: LayerSizes, scores: Scores) -> Indices:
    """Return the query heads of one layer that stay, given the scores (H,) of its first ones."""
    if not kept.n_heads:
        return ()
    by_group = scores[: had.n_heads].reshape(had.n_kv_heads, had.group)
    groups = most_important(by_group.sum(axis=1), kept.n_kv_heads)
    return tuple(
        group * had.group + head
        for group in groups
        for head in most_important(by_group[group], kept.group)
    )


def most_important(scores: Scores, n: int) -> Indices:
    """Return the places of the `n` highest scores (of two equals the first), in rising order."""
    order = np.argsort(-scores, kind="stable")[:n]
    return tuple(int(place) for place in np.sort(order))


def evenly(n: int, kept: int) -> Indices:
    """Return `kept` of `n` places, evenly spaced, the first and the last among them.

    >>> evenly(8, 4)
    (0, 2, 5, 7)
    """
    spaced = np.linspace(0, n - 1, kept)
    return tuple(int(place) for place in np.floor(spaced + 0.5))
