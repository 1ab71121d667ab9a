"""FLOPs of finding out what goes of a model: its parts, its weights, or what its layers become.

As many as reading a text takes, once or many times: pruning is charged with them, since training
the same sizes from new measures nothing. Methods that read no text cost nothing.
"""

from __future__ import annotations

import numpy as np

from nasviz.cost.estimate import estimate
from nasviz.cost.replacement import Pricing, forward_flops
from nasviz.space.architecture import Architecture
from nasviz.space.importance import parts_go, steps_to
from nasviz.space.pruning import LayerImportance, PartImportance, Pruning
from nasviz.space.sparsity import Sparsity


def measuring_flops(parent: Architecture, target: Architecture, pruning: Pruning) -> float:
    """Return the FLOPs a token of choosing what `target` keeps of `parent`, in all rounds.

    Raises `InputError` where pruning can't reach `target`.
    """
    total, model = 0.0, parent
    for sizes in steps_to(parent, target, pruning.rounds):
        if parts_go(model, sizes):
            total += parts_flops(model, pruning.importance)
        if sizes.n_layers < model.n_layers:
            total += layers_flops(model, pruning.layer_importance, sizes.n_layers)
        model = sizes
    return total


def parts_flops(model: Architecture, importance: PartImportance) -> float:
    """Return the FLOPs a token of measuring a model's parts."""
    head, whole = _head(model), _forward(model)
    if importance == "activation":  # read for the parts, and for the layers, which need no head
        return 2 * whole - head
    return 3 * whole if importance == "taylor" else 0.0  # forward and backward


def layers_flops(model: Architecture, importance: LayerImportance, n_layers: int) -> float:
    """Return the FLOPs a token of choosing the `n_layers` of a model that stay.

    One layer after the other, those left are thought to be the mean of all.
    """
    head, whole = _head(model), _forward(model)
    if importance == "block_influence":
        return whole - head
    if importance == "taylor":
        return 3 * whole
    each = (whole - head) / model.n_layers

    def without_each(left: int) -> float:
        return left * ((left - 1) * each + head)

    if importance == "perplexity_drop":
        return whole + without_each(model.n_layers)
    if importance == "greedy":
        return sum(without_each(left) for left in range(model.n_layers, n_layers, -1))
    return 0.0


def zeros_flops(model: Architecture, sparsity: Sparsity) -> float:
    """Return the FLOPs a token of finding which of a model's weights become zero.

    Where inputs count, each layer runs before its zeros are set and again with them.
    """
    return 2 * (_forward(model) - _head(model)) if sparsity.importance == "activation" else 0.0


def search_flops(
    pricing: Pricing, solution: Architecture, read: int, taught_on: int = 0, learned: int = 0
) -> float:
    """Return the FLOPs of scoring all choices on `read` tokens, and of comparing the `solution`.

    A choice for a layer runs through that layer and all above it, and beside it the parent's head;
    one that is the layer itself is not run. Where it is taught before, on `learned` tokens of the
    `taught_on` that there are, it takes three times a pass through the one layer, and one more on
    all to see what is left.
    """
    head, table = pricing.used(forward_flops)  # (L, C), the first choice the parent's own
    own = table[:, 0]
    above = own.sum() - np.cumsum(own)  # (L,)
    run = np.array([[each != layer[0] for each in layer] for layer in pricing.choices])  # (L, C)
    scored = float((run * (table + above[:, None] + 2 * head)).sum()) * read
    whole = own.sum() + head
    taught = float((run * table).sum()) * (3 * learned + taught_on)
    between = own.sum() * (read + taught_on)  # from layer to layer, for all choices alike
    compared = (whole + _forward(solution) + head) * read
    return scored + taught + float(between + whole * read + compared)


def _forward(model: Architecture) -> float:
    return float(estimate(model).flops.training_per_token) / 3


def _head(model: Architecture) -> float:
    return 2.0 * model.d_model * model.vocab_size
