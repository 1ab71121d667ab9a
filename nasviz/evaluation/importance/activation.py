"""Importance from activations: how much each part adds to the residual stream on real text.

Muralidharan et al. 2024, Minitron, arXiv:2407.14679, section 3.1, with the matrix that a part's
activation goes through counted in; layers by block influence (Men et al. 2024, ShortGPT,
arXiv:2403.03853); experts by their share of the tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nasviz.evaluation.block_influence import block_influence
from nasviz.evaluation.importance.parts import blocks_of, experts_of, norms_of
from nasviz.evaluation.importance.texts import batched
from nasviz.evaluation.scoring import evaluating
from nasviz.model.transformer import Experts, Transformer
from nasviz.space.importance import Importance


@torch.no_grad()
def activation_importance(model: Transformer, texts: Tensor) -> Importance:
    """Return each part's mean over the tokens of texts (B, T).

    Heads and feed-forward units: the length of what they add to the residual stream. Experts:
    their share of a token. Channels: their size where norms have read them, over all norms. Layers:
    block influence.
    """
    watch = _Watch(model)
    device = model.token_embedding.weight.device
    try:
        with evaluating(model):
            for some in batched(texts):
                model(some.to(device))
    finally:
        watch.end()
    n = texts.numel()
    return Importance(
        layers=block_influence(model, texts),
        heads=(watch.heads / n).cpu().numpy(),
        experts=(watch.experts / n).cpu().numpy(),
        ff_units=(watch.units / n).cpu().numpy(),
        channels=(watch.channels / n).cpu().numpy(),
    )


class _Watch:
    """Sums over the tokens that pass, by hooks; `end` takes the hooks off."""

    def __init__(self, model: Transformer) -> None:
        a = model.architecture
        zeros = partial(
            torch.zeros, dtype=torch.float64, device=model.token_embedding.weight.device
        )
        self.heads = zeros(a.n_layers, a.n_heads)
        self.experts = zeros(a.n_layers, a.experts)
        self.units = zeros(a.n_layers, a.experts, a.d_ff)
        self.channels = zeros(a.d_model)
        self._hooks: list[Any] = []
        for layer, block in enumerate(blocks_of(model)):
            if block.attention is not None:
                output = block.attention.output
                grams = _grams(output, block.attention.n_heads)
                self._before(output, partial(self._add_heads, layer, grams))
            for number, part in enumerate(experts_of(block)):
                lengths = part.down.weight.double().norm(dim=0)  # (d_ff,)
                self._before(part.down, partial(self._add_units, (layer, number), lengths))
            if isinstance(block.feed_forward, Experts):
                router = block.feed_forward.router
                self._after(router, partial(self._add_shares, layer, a.experts_per_token))
        for norm in norms_of(model):
            self._after(norm, self._add_channels)

    def end(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before(self, module: nn.Module, see: Callable[[Tensor], None]) -> None:
        hook = module.register_forward_pre_hook(lambda module, inputs: see(inputs[0]))
        self._hooks.append(hook)

    def _after(self, module: nn.Module, see: Callable[[Tensor], None]) -> None:
        hook = module.register_forward_hook(lambda module, inputs, output: see(output))
        self._hooks.append(hook)

    def _add_heads(self, layer: int, grams: Tensor, attended: Tensor) -> None:
        gathered = attended.double().reshape(-1, *grams.shape[:2])  # (N, H, D)
        squares = torch.einsum("nhd,hde,nhe->nh", gathered, grams, gathered)
        self.heads[layer, : len(grams)] += squares.clamp(min=0).sqrt().sum(dim=0)

    def _add_units(self, place: tuple[int, int], lengths: Tensor, inner: Tensor) -> None:
        self.units[place][: len(lengths)] += (
            inner.double().abs().flatten(0, -2).sum(dim=0) * lengths
        )

    def _add_shares(self, layer: int, per_token: int, scores: Tensor) -> None:
        best, chosen = scores.double().flatten(0, -2).topk(per_token, dim=-1)
        self.experts[layer].index_add_(0, chosen.flatten(), best.softmax(dim=-1).flatten())

    def _add_channels(self, normed: Tensor) -> None:
        self.channels += normed.double().abs().flatten(0, -2).sum(dim=0)


def _grams(output: nn.Linear, n_heads: int) -> Tensor:
    """Return WᵀW of each head's columns of the output matrix, (H, D, D): |Wy|² = yᵀWᵀWy."""
    columns = output.weight.double().view(output.out_features, n_heads, -1)  # (M, H, D)
    return torch.einsum("mhd,mhe->hde", columns, columns)
