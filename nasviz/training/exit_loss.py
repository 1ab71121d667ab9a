"""How exits are taught: a weighted loss at each, and the gates' own."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from nasviz.model.dynamic.exits import Exits
from nasviz.model.transformer import Transformer
from nasviz.space.options.early_exit import EarlyExit
from nasviz.training.plan import TrainingPlan


def exit_loss(
    model: Transformer,
    option: EarlyExit,
    states: Mapping[int, Tensor],
    logits: Tensor,
    targets: Tensor,
    plan: TrainingPlan,
) -> Tensor:
    """Return the exits' weighted loss, nats a token, and that of their gates.

    Exits are weighted by their depth, as later ones can do more, and `plan.exit_loss` is the sum
    of the weights; the whole model's own loss has weight 1 (Schuster et al. 2022, CALM, equation 7,
    arXiv:2207.07061; Elhoushi et al. 2024, LayerSkip, section 4.1, arXiv:2404.16710).

    A gate learns whether its exit would say what the whole model says (CALM, section 3.5). It reads
    the stream without changing it: its gradient ends there.
    """
    exits = model.additions[option.NAME]
    assert isinstance(exits, Exits)  # the model was built for the policy that it is trained for
    depths = torch.tensor(exits.layers, dtype=torch.float32)
    weights = (plan.exit_loss * depths / depths.sum()).tolist()
    total = logits.new_zeros((), dtype=torch.float32)
    for place, (layer, weight) in enumerate(zip(exits.layers, weights, strict=True)):
        said = exits.logits(place, states[layer])
        total = total + weight * cross_entropy(said.flatten(0, 1).float(), targets.flatten())
        if len(exits.gates):
            total = total + _gate_loss(exits, place, states[layer], said, logits)
    return total


def _gate_loss(exits: Exits, place: int, state: Tensor, said: Tensor, logits: Tensor) -> Tensor:
    agrees = (said.argmax(dim=-1) == logits.argmax(dim=-1)).float()
    sure = exits.gate(place, state.detach()).float()
    return binary_cross_entropy_with_logits(sure, agrees) / len(exits.layers)
