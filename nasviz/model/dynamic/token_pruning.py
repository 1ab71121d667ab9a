"""Token pruning in prefill: a prompt that gets shorter on its way through the layers.

Shapes: B sequences, T tokens of the prompt that came so far, k of them that go on, M width,
H query heads, K KV heads, G = H / K, D the size of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.reading import Reading
from nasviz.model.transformer import Transformer
from nasviz.space.options.token_pruning import TokenPruning


class PrunedPrompt:
    """Reads prompts of which some tokens stay behind (see `TokenPruning`).

    The tokens that go on are gathered, so that what is computed really is smaller: layers get
    (B, k, M) with the tokens' own positions. Gathered tokens are in order, so that each sees those
    before it by the plain causal mask.
    """

    def __init__(self, model: Transformer, option: TokenPruning) -> None:
        self.option = option
        self.points = option.points(model.architecture.n_layers)

    def read(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after a prompt, or a further part of it: (B, T) → (B, V)."""
        cache, start = reading.cache, reading.length
        hidden = model.embed(tokens, start)  # (B, T, M)
        whole = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        positions = whole.expand(tokens.shape)  # (B, T)
        done = 0
        for point in self.points:
            hidden = self._go_on(model, hidden, positions, done, point, cache, len(whole))
            done = point
            chosen = self._chosen(_attention_paid(cache), positions)  # (B, k)
            positions = positions.gather(1, chosen)
            hidden = hidden.gather(1, chosen.unsqueeze(-1).expand(-1, -1, hidden.shape[2]))
            before = reading.kept.get(point)
            reading.kept[point] = positions if before is None else torch.cat((before, positions), 1)
        n_layers = model.architecture.n_layers
        hidden = self._go_on(model, hidden, positions, done, n_layers, cache, len(whole))
        logits: Tensor = model.head(hidden[:, -1])
        return logits

    def _go_on(
        self,
        model: Transformer,
        hidden: Tensor,
        positions: Tensor,
        start: int,
        stop: int,
        cache: KVCache,
        read: int,
    ) -> Tensor:
        """Return the stream (B, T, M) after layers `start` to `stop`, to which `read` tokens came.

        Those that are no longer among them pass these layers unseen.
        """
        hidden = model.run_layers(hidden, start, stop, cache, positions=positions)
        for layer in range(start, stop):
            cache.pass_over(layer, read - hidden.shape[1])
        return hidden

    def _chosen(self, paid: Tensor, positions: Tensor) -> Tensor:
        """Return which tokens go on, rising, (B, k), by the attention `paid` to each, (B, T)."""
        paid = paid.masked_fill(positions < self.option.protected, math.inf)
        paid[:, -1] = math.inf
        return paid.topk(self.option.kept(paid.shape[1]), dim=1).indices.sort(dim=1).values


def _attention_paid(cache: KVCache) -> Tensor:
    """Return how much the last token attended to each one just read, over all heads, (B, T).

    In the layer that ran last. Of a further part of a prompt, its own tokens alone are weighed.
    """
    assert cache.asked is not None, "a layer has just attended"
    queries, keys = cache.asked  # (B, T, H, D), (B, K, T, D)
    batch, n_kv_heads, _, head_dim = keys.shape
    last = queries[:, -1].reshape(batch, n_kv_heads, -1, head_dim)  # (B, K, G, D)
    logits = last @ keys.transpose(2, 3) / math.sqrt(head_dim)  # (B, K, G, T)
    return logits.float().softmax(dim=-1).sum(dim=(1, 2))
