"""Dynamic experts in the model: a choice that leaves out the experts a token can do without."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

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

        Behind those that are taken places are empty (see `TopExperts`), with a share of 0; a single
        token has no such places.
        """
        best, chosen = scores.topk(self.per_token, dim=-1)
        shares = best.softmax(dim=-1, dtype=torch.float32)
        if len(scores) == 1:
            taken = self._fewest(shares[0].tolist())
            return chosen[:, :taken], best[:, :taken].softmax(dim=-1, dtype=torch.float32)
        reached = shares.cumsum(dim=-1, dtype=torch.float64)  # as Python adds them up
        left_out = functional.pad(reached[:, :-1], (1, 0)) >= self.top_p  # by better ones already
        weights = best.masked_fill(left_out, -torch.inf).softmax(dim=-1, dtype=torch.float32)
        return chosen.masked_fill(left_out, scores.shape[1]), weights

    def _fewest(self, shares: list[float]) -> int:
        """Return how many of the shares, from the first on, reach `top_p` together."""
        reached = accumulate(shares)
        return next((n for n, each in enumerate(reached, 1) if each >= self.top_p), len(shares))


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
