"""The load-balancing loss: what keeps a few experts from getting all tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nasviz.model.routing import Routing


def balance_loss(routings: Sequence[Routing]) -> Tensor:
    """Return the sum over layers with experts of how unevenly they share out tokens, in float32.

    A layer's is E · Σᵢ fᵢ · Pᵢ over its E experts: fᵢ the share of all visits that go to expert i,
    Pᵢ the mean probability that the router gives it (Fedus et al. 2021, Switch Transformer,
    equations 4 to 6, arXiv:2101.03961; visits in place of tokens where each takes several). It is
    1 where both are even, up to E where one expert gets everything. Gradients come by Pᵢ alone.
    """
    return torch.stack([_of_layer(each) for each in routings]).sum()


def _of_layer(routing: Routing) -> Tensor:
    experts = routing.scores.shape[1]
    visits = torch.bincount(routing.chosen.flatten(), minlength=experts)[:experts].float()
    probability = routing.scores.softmax(dim=-1, dtype=torch.float32).mean(dim=0)  # (experts,)
    return experts * (visits / visits.sum() * probability).sum()
