"""A replacement taught to return what its block did, from the parent's own states.

Bercovich et al. 2024, Puzzle, arXiv:2411.19146, section 3.1 (blockwise local distillation): each
replacement learns alone, so that all of them can be put together afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nasviz.evaluation.importance.texts import batched
from nasviz.model.transformer import Transformer


@dataclass(frozen=True, eq=False)
class Teaching:
    """How replacements are taught: on texts (B, T), in so many steps of so many tokens each."""

    texts: Tensor
    steps: int
    seed: int
    step_tokens: int = 1 << 10
    rate: float = 2e-3

    @property
    def tokens(self) -> int:
        """Tokens that each replacement learns from, those that come again counted again."""
        return self.steps * self.rows * self.texts.shape[1]

    @property
    def rows(self) -> int:
        """Texts of a step."""
        return max(1, self.step_tokens // self.texts.shape[1])


def taught(
    child: Transformer,
    layer: int,
    before: Tensor,
    after: Tensor,
    teaching: Teaching,
    seed: tuple[int, ...],
) -> float:
    """Teach layer `layer` of `child` to make `after` of `before`, (B, T, M) both; it is changed.

    Returns the mean squared error that is left on all of the texts, as a share of that of a block
    that does nothing. The rate rises over a tenth of the steps and falls to 0 as a cosine. Batches
    are drawn by `seed`.
    """
    generator = np.random.default_rng(seed)
    scale = (after - before).square().mean()
    parameters = list(child.blocks[layer].parameters())
    for each in parameters:
        each.requires_grad_(True)
    optimizer = torch.optim.AdamW(parameters, lr=teaching.rate, betas=(0.9, 0.95), weight_decay=0)
    with torch.enable_grad():
        for step in range(teaching.steps):
            some = torch.from_numpy(generator.integers(len(before), size=teaching.rows))
            for group in optimizer.param_groups:
                group["lr"] = teaching.rate * _share(step, teaching.steps)
            gap = child.run_layers(before[some], layer, layer + 1) - after[some]
            loss = gap.square().mean() / scale
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
    for each in parameters:
        each.requires_grad_(False)
        each.grad = None
    return _left_over(child, layer, before, after) / float(scale)


def _share(step: int, steps: int) -> float:
    """Return the share of the rate at a step."""
    rise = max(1, steps // 10)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


@torch.no_grad()
def _left_over(child: Transformer, layer: int, before: Tensor, after: Tensor) -> float:
    pairs = zip(batched(before), batched(after), strict=True)
    sums = [
        float((child.run_layers(some, layer, layer + 1) - aims).square().sum().double())
        for some, aims in pairs
    ]
    return sum(sums) / after.numel()
