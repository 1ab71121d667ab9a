"""Importance a piece of the text at a time: who measures it can say how far it is, and stop.

Every method's scores are means over its text (Taylor's over batches of `GRADIENT_TOKENS`), so the
mean over pieces, weighted by their length, is the whole's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from nasviz.evaluation.importance.activation import activation_importance
from nasviz.evaluation.importance.magnitude import magnitude_importance
from nasviz.evaluation.importance.removed_layers import perplexity_drop
from nasviz.evaluation.importance.taylor import GRADIENT_TOKENS, taylor_importance
from nasviz.model.transformer import Transformer
from nasviz.space.importance import Scores
from nasviz.space.measurement import Measurement, Method

PIECE_TOKENS = 1 << 10

_MEASURES: Mapping[Method, Callable[[Transformer, Tensor], Mapping[str, Scores]]] = (
    MappingProxyType(
        {
            "activation": lambda model, texts: vars(activation_importance(model, texts)),
            "taylor": lambda model, texts: vars(taylor_importance(model, texts)),
            "magnitude": lambda model, texts: vars(magnitude_importance(model)),
            "perplexity_drop": lambda model, texts: {"layers": perplexity_drop(model, texts)},
        }
    )
)


def measured_piecewise(
    model: Transformer, method: Method, texts: Tensor
) -> Iterator[tuple[float, Measurement]]:
    """Yield the share of texts (B, T) that is read, and what was found so far; last the whole."""
    pieces = [texts[:1]] if method == "magnitude" else list(_pieces(texts))
    whole, read = sum(map(len, pieces)), 0
    sums: dict[str, Scores] = {}
    for piece in pieces:
        for kind, scores in _MEASURES[method](model, piece).items():
            sums[kind] = sums.get(kind, 0.0) + scores * len(piece)
        read += len(piece)
        tokens = 0 if method == "magnitude" else read * texts.shape[1]
        found = {kind: each / read for kind, each in sums.items()}
        yield read / whole, Measurement(method, tokens, found)


def _pieces(texts: Tensor) -> Iterator[Tensor]:
    together = max(1, GRADIENT_TOKENS // texts.shape[1])  # texts whose gradients are one
    yield from torch.split(texts, together * max(1, PIECE_TOKENS // (together * texts.shape[1])))
