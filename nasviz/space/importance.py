"""`Importance`: how much each part of a model matters, and which parts a smaller one keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.kept import Indices, Kept

Scores = NDArray[np.float64]

# The sizes that pruning makes smaller, the last two from their end; other fields are the parent's.
MEASURED = ("n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "experts")
PRUNED = (*MEASURED, "vocab_size", "context_length")


@dataclass(frozen=True)
class Importance:
    """Scores of every part of a model, more for what matters more; comparable within a kind.

    Shapes, for L layers of H heads and X experts with F units each, M channels: `layers` (L,),
    `heads` (L, H), `experts` (L, X), `ff_units` (L, X, F), `channels` (M,).
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

    Each layer keeps its own heads, experts and feed-forward units, as many as the others. Whole KV
    groups are compared by their heads' sum, then the heads of each remaining group. `layers` names
    the layers that stay where their scores don't decide. Of equals the first stays.

    Raises `InputError` where pruning can't reach `target`, naming the size and what could be.
    """
    check_reachable(parent, target)
    kept_layers = (
        most_important(importance.layers, target.n_layers) if layers is None else tuple(layers)
    )
    experts = [most_important(importance.experts[layer], target.experts) for layer in kept_layers]
    units = [
        [most_important(importance.ff_units[layer, expert], target.d_ff) for expert in chosen]
        for layer, chosen in zip(kept_layers, experts, strict=True)
    ]
    return Kept.of(
        parent,
        layers=kept_layers,
        heads=[_heads(parent, target, importance.heads[layer]) for layer in kept_layers],
        experts=experts,
        ff_units=units,
        channels=most_important(importance.channels, target.d_model),
        vocab_size=target.vocab_size,
        context_length=target.context_length,
    )


def check_reachable(parent: Architecture, target: Architecture) -> None:
    """Raise `InputError` where `target` is not what pruning can leave of `parent`."""
    for field in fields(parent):
        had, wanted = getattr(parent, field.name), getattr(target, field.name)
        if field.name in PRUNED and wanted > had:
            raise InputError(
                f"{field.name}={wanted} can't be reached: the parent has {had}, and pruning only "
                f"removes; choose at most {had}"
            )
        if field.name not in (*PRUNED, "experts_per_token") and had != wanted:
            raise InputError(
                f"{field.name}={wanted!r} can't be reached: the parent has {had!r}, and pruning "
                f"changes only {', '.join(PRUNED)}"
            )
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


def steps_to(parent: Architecture, target: Architecture, rounds: int) -> list[Architecture]:
    """Return the sizes after each of so many rounds of pruning, equal shares each; last `target`.

    Vocabulary and context, which are cut and not measured, are the parent's until the last round.

    >>> parent = Architecture(8, 96, 3, vocab_size=256, context_length=64)
    >>> [each.n_layers for each in steps_to(parent, parent.with_(n_layers=4), 2)]
    [6, 4]
    """
    check_reachable(parent, target)
    before = [_between(parent, target, number / rounds) for number in range(1, rounds)]
    return [*before, target]


def _between(parent: Architecture, target: Architecture, share: float) -> Architecture:
    def size(had: int, wanted: int) -> int:
        return round(had + (wanted - had) * share)

    sizes = {name: size(getattr(parent, name), getattr(target, name)) for name in MEASURED}
    group = size(parent.n_heads // parent.n_kv_heads, target.n_heads // target.n_kv_heads)
    sizes["n_heads"] = sizes["n_kv_heads"] * group
    sizes["experts_per_token"] = min(parent.experts_per_token, sizes["experts"])
    return Architecture.from_json({**parent.to_json(), **sizes})


def _heads(parent: Architecture, target: Architecture, scores: Scores) -> Indices:
    """Return the query heads of one layer that stay, given their scores (H,)."""
    size, kept_size = parent.n_heads // parent.n_kv_heads, target.n_heads // target.n_kv_heads
    by_group = scores.reshape(parent.n_kv_heads, size)
    groups = most_important(by_group.sum(axis=1), target.n_kv_heads)
    return tuple(
        group * size + head
        for group in groups
        for head in most_important(by_group[group], kept_size)
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
