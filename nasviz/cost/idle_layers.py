"""What a fixed early exit holds and never uses, that a model pruned of those layers doesn't."""

from __future__ import annotations

from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.space.architecture import Architecture


def idle_layer_bytes(
    architecture: Architecture, depth: int, workload: Workload | None = None
) -> float:
    """Return the bytes of the weights above an exit after `depth` layers that every token takes.

    The two models have the same logits. `workload` says the precision of the weights. Raises
    `InputError` for a depth that the architecture has not.
    """
    cut = architecture.only_layers(range(depth))
    whole = estimate(architecture, workload).memory.weights_bytes
    return float(whole) - float(estimate(cut, workload).memory.weights_bytes)
