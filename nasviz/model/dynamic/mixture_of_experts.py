"""Dynamic experts in the model: a choice that leaves out the experts a token can do without."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nasviz.model.shallow import shallow_copy
from nasviz.model.transformer import Block, Experts, TopExperts, Transformer
from nasviz.space.options.mixture_of_experts import MixtureOfExperts


class FewestExperts(nn.Module):
    """Sends each token to the fewest of its best experts whose shares together reach `top_p`."""

    def __init__(self, per_token: int, top_p: float) -> None:
        super().__init__()
        self.per_token = per_token
        self.top_p = top_p

    def forward(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return experts and shares of each token: (N, experts) → (N, per_token) twice.

        Behind those that are taken places are empty (see `TopExperts`), with a share of 0.
        """
        best, chosen = scores.topk(self.per_token, dim=-1)
        shares = best.softmax(dim=-1, dtype=torch.float32)
        left_out = shares.cumsum(dim=-1) - shares >= self.top_p  # better ones reach it already
        taken = best.masked_fill(left_out, -torch.inf).softmax(dim=-1, dtype=torch.float32)
        return chosen.masked_fill(left_out, scores.shape[1]), taken


def with_fewest_experts(model: Transformer, option: MixtureOfExperts) -> Transformer:
    """Return `model` whose layers take the fewest experts that reach the option's `top_p`."""
    if option.top_p == 1:
        return model
    result = shallow_copy(model)
    for block in result.blocks:
        if isinstance(block, Block) and isinstance(block.feed_forward, Experts):
            before = block.feed_forward.choice
            assert isinstance(before, TopExperts)
            block.feed_forward.choice = FewestExperts(before.per_token, option.top_p)
    return result
