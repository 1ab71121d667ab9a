"""Listening to routers: which experts a pass sends its tokens to, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from nasviz.model.transformer import Experts


@dataclass(frozen=True)
class Routing:
    """What one run of one layer did with its N tokens.

    layer: which of the layers with experts, counted from 0 in the order of the model's modules.
    scores: the router's, (N, experts). chosen: each token's experts, (N, per_token); a number that
    no expert has is an empty place.
    """

    layer: int
    scores: Tensor
    chosen: Tensor


@contextmanager
def recorded_routing(model: nn.Module) -> Iterator[list[Routing]]:
    """Give a list that grows by a `Routing` each time a layer with experts runs inside.

    A model without experts leaves it empty. Gradients flow through what is recorded.
    """
    found: list[Routing] = []
    layers = [each for each in model.modules() if isinstance(each, Experts)]
    hooks = [
        each.choice.register_forward_hook(partial(_record, found, layer))
        for layer, each in enumerate(layers)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _record(
    found: list[Routing],
    layer: int,
    choice: nn.Module,
    inputs: tuple[Tensor, ...],
    output: tuple[Tensor, Any],
) -> None:
    found.append(Routing(layer, inputs[0], output[0]))
