"""FLOPs of measuring what a model's parts are worth, a token of the text that they are measured on.

As many as reading it takes, once or several times: pruning is charged with them, since training the
same sizes from new measures nothing. Methods that read no text cost nothing.
"""

from __future__ import annotations

from nasviz.cost.estimate import estimate
from nasviz.space.architecture import Architecture
from nasviz.space.importance import parts_go, steps_to
from nasviz.space.pruning import LayerImportance, PartImportance, Pruning


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


def _forward(model: Architecture) -> float:
    return float(estimate(model).flops.training_per_token) / 3


def _head(model: Architecture) -> float:
    return 2.0 * model.d_model * model.vocab_size
