"""Block influence: how much each layer changes the residual stream, measured on text.

Men et al. 2024, ShortGPT, arXiv:2403.03853, equation 1.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from numpy.typing import NDArray
from torch import Tensor

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.errors import InputError
from nasviz.evaluation.scoring import first_words
from nasviz.model.transformer import Transformer

BATCH_TOKENS = 1 << 12
MAX_BYTES = 1 << 13


def influence_on_text(
    model: Transformer,
    tokenized: TokenizedCorpus,
    part: str = "calibration",
    *,
    max_bytes: int = MAX_BYTES,
) -> tuple[NDArray[np.float64], int]:
    """Return each layer's influence (n_layers,) on the beginning of a part, and how many tokens.

    In texts of a context each. The calibration part is for choices like this one.
    """
    tokens = first_words(tokenized, part, max_bytes)
    length = min(model.architecture.context_length, len(tokens))
    whole = tokens[: len(tokens) // length * length].astype(np.int64).reshape(-1, length)
    return block_influence(model, torch.from_numpy(whole)), whole.size


@torch.inference_mode()
def block_influence(
    model: Transformer, tokens: Tensor, *, batch_tokens: int = BATCH_TOKENS
) -> NDArray[np.float64]:
    """Return each layer's influence on `tokens` (B, T), shape (n_layers,).

    It is 1 - the mean, over all tokens, of the cosine between the residual stream before and after
    the layer: 0 for a layer that changes nothing, and at most 2. Texts go through the model about
    `batch_tokens` tokens at a time.

    Raises `InputError` where there is no token, and for texts longer than the context.
    """
    if tokens.ndim != 2 or not tokens.numel():
        raise InputError(f"block influence is of texts (B, T), not of shape {tuple(tokens.shape)}")
    device = model.token_embedding.weight.device
    rows = max(1, batch_tokens // tokens.shape[1])
    similar = np.zeros(model.architecture.n_layers)
    was_training = model.training
    model.eval()
    try:
        for some in torch.split(tokens, rows):
            similar += _summed_cosines(model, some.to(device))
    finally:
        model.train(was_training)
    return 1 - similar / tokens.numel()


def _summed_cosines(model: Transformer, tokens: Tensor) -> NDArray[np.float64]:
    """Return the sum over all tokens of each layer's cosine, (n_layers,)."""
    hidden = model.embed(tokens)  # (B, T, M)
    sums = []
    for layer in range(model.architecture.n_layers):
        after = model.run_layers(hidden, layer, layer + 1)  # (B, T, M)
        sums.append(float(F.cosine_similarity(hidden, after, dim=-1).double().sum()))
        hidden = after
    return np.array(sums)
