"""Importance by the names of its methods, and a model pruned by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor

from nasviz.evaluation.block_influence import block_influence
from nasviz.evaluation.importance.activation import activation_importance
from nasviz.evaluation.importance.chance import random_importance
from nasviz.evaluation.importance.magnitude import magnitude_importance
from nasviz.evaluation.importance.removed_layers import greedy_layers, perplexity_drop
from nasviz.evaluation.importance.taylor import taylor_importance
from nasviz.model.pruned import pruned
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.importance import (
    Importance,
    choose,
    evenly,
    most_important,
    parts_go,
    steps_to,
)
from nasviz.space.kept import Indices, Kept
from nasviz.space.pruning import LayerImportance, PartImportance, Pruning

# The scores of a model's parts, given the texts (B, T) and a seed for chance.
PARTS: Mapping[PartImportance, Callable[[Transformer, Tensor, int], Importance]] = MappingProxyType(
    {
        "activation": lambda model, texts, seed: activation_importance(model, texts),
        "taylor": lambda model, texts, seed: taylor_importance(model, texts),
        "magnitude": lambda model, texts, seed: magnitude_importance(model),
        "random": lambda model, texts, seed: random_importance(model.architecture, seed),
    }
)

# Which layers stay, given the texts (B, T), how many, and a seed for chance.
LAYERS: Mapping[LayerImportance, Callable[[Transformer, Tensor, int, int], Indices]] = (
    MappingProxyType(
        {
            "block_influence": lambda model, texts, n, seed: most_important(
                block_influence(model, texts), n
            ),
            "perplexity_drop": lambda model, texts, n, seed: most_important(
                perplexity_drop(model, texts), n
            ),
            "greedy": lambda model, texts, n, seed: greedy_layers(model, texts, n),
            "uniform": lambda model, texts, n, seed: evenly(model.architecture.n_layers, n),
            "last": lambda model, texts, n, seed: tuple(range(n)),
            "taylor": lambda model, texts, n, seed: most_important(
                taylor_importance(model, texts).layers, n
            ),
            "magnitude": lambda model, texts, n, seed: most_important(
                magnitude_importance(model).layers, n
            ),
            "random": lambda model, texts, n, seed: most_important(
                random_importance(model.architecture, seed).layers, n
            ),
        }
    )
)


def prune_to(
    model: Transformer, target: Architecture, pruning: Pruning, texts: Tensor
) -> tuple[Transformer, Kept]:
    """Return `model` pruned to the sizes of `target`, and what is kept of it.

    Importance is measured on `texts` (B, T), anew in each of the pruning's rounds. Raises
    `InputError` where pruning can't reach `target`.
    """
    kept = Kept.of(model.architecture)
    for sizes in steps_to(model.architecture, target, pruning.rounds):
        chosen = _chosen(model, sizes, pruning, texts)
        model, kept = pruned(model, chosen), kept.then(chosen)
    return model, kept


def _chosen(model: Transformer, target: Architecture, pruning: Pruning, texts: Tensor) -> Kept:
    parent = model.architecture
    # Where every part of a layer stays the cheapest scores choose as well as any.
    method = pruning.importance if parts_go(parent, target) else "magnitude"
    importance = PARTS[method](model, texts, pruning.seed)
    n_layers = target.n_layers
    layers: Indices = tuple(range(n_layers))
    if n_layers < parent.n_layers:
        layers = LAYERS[pruning.layer_importance](model, texts, n_layers, pruning.seed)
    return choose(parent, target, importance, layers)
