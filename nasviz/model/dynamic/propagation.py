"""Keys and values of one state in many layers at once: what a token that left early leaves there.

Layer by layer the same would cost a third of the layers' own time in batch-1 decoding, nearly all
of it in launching small operations. Since every skipped layer reads the same state, one product
with their stacked matrices does, the norms' weights folded into them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor, nn

from nasviz.model.cache import KVCache
from nasviz.model.operations import rotate
from nasviz.model.transformer import Attention, Block, RmsNorm, Transformer


class Propagation:
    """The stacked key and value matrices of a model's layers from `first` up, a copy of them.

    N layers, K key heads, D their size, M the width.
    """

    def __init__(self, model: Transformer, first: int) -> None:
        self._model = model
        self._first = first
        blocks = [block for block in model.blocks if isinstance(block, Block)][first:]
        folded = [_folded(block) for block in blocks]
        self._matrices = torch.stack([matrix for matrix, _ in folded])  # (N, 2 K D, M)
        self._biases = torch.stack([bias for _, bias in folded])  # (N, 2 K D)
        norms = [_attention_of(block).key_norm for block in blocks]
        weights = [norm.weight.detach() for norm in norms if norm is not None]
        self._key_norms = torch.stack(weights) if weights else None  # (N, D)

    @classmethod
    def possible(cls, model: Transformer) -> bool:
        """Whether keys and values come from plain matrices of equal sizes, which can be stacked."""
        if model.architecture.layer_sizes:
            return False
        attentions = [_attention_of(block) for block in model.blocks if isinstance(block, Block)]
        return all(
            type(part) is nn.Linear for each in attentions for part in (each.key, each.value)
        )

    def keep(self, hidden: Tensor, cache: KVCache, start: int) -> None:
        """Keep the keys and values of `hidden` (B, T, M) in layers `start` and above."""
        a = self._model.architecture
        batch, new, _ = hidden.shape
        skipped = slice(start - self._first, None)
        matrices, biases = self._matrices[skipped], self._biases[skipped]
        both = F.linear(_normalised(self._model, hidden), matrices.flatten(0, 1), biases.flatten())
        both = both.view(batch, new, len(matrices), 2, a.n_kv_heads, a.head_dim)
        keys, values = both.unbind(dim=3)  # (B, T, N, K, D) twice
        if self._key_norms is not None:
            weights = self._key_norms[skipped].unsqueeze(1)  # (N, 1, D)
            keys = F.rms_norm(keys, (a.head_dim,), None, a.norm_eps) * weights
        if self._model.rotary is not None:
            turns = self._model.rotary.at(cache.length_of(start), new, hidden)  # (T, 1, D / 2)
            keys = rotate(keys.flatten(2, 3), turns).view(keys.shape)
        keys, values = keys.permute(2, 0, 3, 1, 4), values.permute(2, 0, 3, 1, 4)
        for layer, (key, value) in enumerate(zip(keys, values, strict=True), start):
            cache.append(layer, key, value)


def _attention_of(block: Block) -> Attention:
    """Return the attention of a block that has one."""
    assert block.attention is not None
    return block.attention


def _folded(block: Block) -> tuple[Tensor, Tensor]:
    """Return a block's key and value matrices (2 K D, M) with its norm's weights, and biases."""
    attention, norm = _attention_of(block), block.attention_norm
    matrix = torch.cat((attention.key.weight, attention.value.weight)).detach()
    bias = matrix.new_zeros(len(matrix))
    if attention.key.bias is not None:
        bias = torch.cat((attention.key.bias, attention.value.bias)).detach()
    assert isinstance(norm, RmsNorm | nn.LayerNorm)
    if isinstance(norm, nn.LayerNorm) and norm.bias is not None:
        bias = bias + matrix @ norm.bias.detach()
    return matrix * norm.weight.detach(), bias


def _normalised(model: Transformer, hidden: Tensor) -> Tensor:
    """Return `hidden` normalised as every layer does, without the layer's own weights."""
    a = model.architecture
    if a.norm == "rmsnorm":
        return F.rms_norm(hidden, (a.d_model,), None, a.norm_eps)
    return F.layer_norm(hidden, (a.d_model,), None, None, a.norm_eps)
