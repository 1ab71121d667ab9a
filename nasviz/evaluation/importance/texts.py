"""The text that importance is measured on, and how well a model predicts it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.errors import InputError
from nasviz.model.transformer import Transformer

# Tokens that go through a model at once.
BATCH_TOKENS = 1 << 12


def calibration_texts(tokenized: TokenizedCorpus, context: int, most: int) -> Tensor:
    """Return `windows_of` the calibration part."""
    return windows_of(tokenized, "calibration", context, most)


def windows_of(tokenized: TokenizedCorpus, part: str, context: int, most: int) -> Tensor:
    """Return windows of a part, (B, context), of about `most` tokens or all.

    They begin evenly spaced over the part, without overlap. Raises `InputError` where it is
    shorter than the context.
    """
    tokens = tokenized.tokens(part)
    length = min(context, len(tokens))
    if length < 2:
        raise InputError(
            f"the {part} part has {len(tokens)} tokens, and importance needs a context of at "
            "least 2; use a longer text"
        )
    n = max(1, min(len(tokens) // length, most // length))
    starts = np.linspace(0, len(tokens) - length, n).astype(np.int64)
    rows = np.stack([tokens[start : start + length] for start in starts]).astype(np.int64)
    return torch.from_numpy(rows)


def batched(texts: Tensor, batch_tokens: int = BATCH_TOKENS) -> Iterator[Tensor]:
    """Yield a few of the texts (B, T) at a time, about so many tokens."""
    yield from torch.split(texts, max(1, batch_tokens // texts.shape[1]))


def mean_nats(model: Transformer, texts: Tensor) -> Tensor:
    """Return the mean loss of `model` on texts (B, T), nats a token: a scalar with gradients."""
    texts = texts.to(model.token_embedding.weight.device)
    logits = model(texts[:, :-1])
    return cross_entropy(logits.flatten(0, 1).float(), texts[:, 1:].flatten())


@torch.no_grad()
def nats_on(model: Transformer, texts: Tensor) -> float:
    """Return the mean loss of `model` on texts (B, T) of any number, nats a token."""
    sums = [float(mean_nats(model, some)) * len(some) for some in batched(texts)]
    return sum(sums) / len(texts)
