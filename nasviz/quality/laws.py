"""Published scaling laws: what size, text and vocabulary are worth, before anything is trained.

References:
    [Hoffmann2022] Training Compute-Optimal Large Language Models, arXiv:2203.15556.
    [Besiroglu2024] Chinchilla Scaling: A Replication Attempt, arXiv:2404.10102 (corrected fit).
    [Kaplan2020] Scaling Laws for Neural Language Models, arXiv:2001.08361 (table 2, joint fit).
    [Tao2024] Scaling Laws with Vocabulary, arXiv:2407.13623 (its code's constants).
    [Muennighoff2023] Scaling Data-Constrained Language Models, arXiv:2305.16264.

All functions take arrays (or numbers) of any one shape and return arrays of it. Logarithms are
natural; text is counted in bytes, so that vocabularies compare.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.chinchilla import ALPHA, BETA, A, B, E

Array = NDArray[Any]

# [Tao2024]'s least and largest vocabulary, and the fewest vocabulary parameters (4,096 × 512).
TAO_LEAST, TAO_MOST, TAO_LEAST_PARAMETERS = 4096, 200_000, 4096 * 512

# Bytes that a token of the laws' own vocabularies stands for, by [Tao2024]'s curve: 32,000 ids
# in [Hoffmann2022], 50,257 in [Kaplan2020].
CHINCHILLA_BYTES_PER_TOKEN, KAPLAN_BYTES_PER_TOKEN = 3.96, 4.13

# No model that has learnt anything is worse than counting bytes: 4.78 bits on tiny Shakespeare,
# 4.54 on Python's library (order-0 entropy, measured). A law that says more is held below this.
MOST_BITS = 4.8

# Held-out bytes per token of byte-level BPE below [Tao2024]'s range: the mean of what Python's
# library and tiny Shakespeare gave, scaled so that it meets their curve at 4,096.
_SMALL_VOCABULARIES = (256, 384, 512, 768, 1024, 2048, 4096)
_SMALL_BYTES_PER_TOKEN = (1.0, 1.75, 1.95, 2.20, 2.35, 2.70, 3.014)

# In ln(vocabulary): 256 and 4,096 are entries; the curve changes by about 1% between two.
_TABLE_STEP = math.log(256) / 360


def _tao_bytes_per_token(ln_vocabulary: Array) -> Array:
    """Return 1 / f(V) of [Tao2024], f being the tokens per character of a fitted BPE."""
    x = np.minimum(ln_vocabulary, math.log(TAO_MOST))
    return np.asarray(1.0 / (0.00639222 * x**2 - 0.15811069 * x + 1.20470122))


def _bytes_per_token_table() -> Array:
    ln_sizes = np.arange(0.0, math.log(TAO_MOST) + _TABLE_STEP, _TABLE_STEP)
    small = np.interp(ln_sizes, np.log(_SMALL_VOCABULARIES), _SMALL_BYTES_PER_TOKEN)
    whole = np.where(ln_sizes < math.log(TAO_LEAST), small, _tao_bytes_per_token(ln_sizes))
    return np.maximum.accumulate(whole).astype(np.float32)


_LN_BYTES_PER_TOKEN = np.log(_bytes_per_token_table())


def ln_bytes_per_token(ln_vocabulary: Array) -> Array:
    """Return ln(bytes of English that a token stands for), by the logarithm of the vocabulary.

    0 up to 256 ids (plain bytes), ln 3.0 at 4,096, ln 4.0 at 32,768; a stated curve, which a
    corpus' own `bytes_per_token` replaces where it is known.
    """
    entries = (np.asarray(ln_vocabulary) * np.float32(1 / _TABLE_STEP) + 0.5).astype(np.int32)
    return _LN_BYTES_PER_TOKEN[np.clip(entries, 0, len(_LN_BYTES_PER_TOKEN) - 1)]


def effective_bytes(seen_bytes: Array, corpus_bytes: float) -> Array:
    """Return the bytes of new text that are worth as much as `seen_bytes` of a repeated corpus.

    U + U R* (1 - exp(-R / R*)) with R repetitions of U unique bytes and R* = 15.39
    [Muennighoff2023].
    """
    repetitions = np.maximum(seen_bytes / corpus_bytes - 1.0, 0.0)
    unique = np.minimum(seen_bytes, corpus_bytes)
    return np.asarray(unique + corpus_bytes * 15.39 * (1.0 - np.exp(-repetitions / 15.39)))


def chinchilla_bits(ln_parameters: Array, ln_bytes: Array) -> Array:
    """Return bits per byte by E + A / N^α + B / D^β, the fit of [Besiroglu2024].

    It was fitted from 70 million parameters on. Far below, its terms outgrow any text's entropy:
    the part r above E is replaced by r / (1 + r / R), which is r where r is small and never
    reaches R = `MOST_BITS` - E.
    """
    to_bits = 1 / (math.log(2.0) * CHINCHILLA_BYTES_PER_TOKEN)
    ln_tokens = ln_bytes - math.log(CHINCHILLA_BYTES_PER_TOKEN)
    size = np.exp(math.log(A) - ALPHA * ln_parameters)
    text = np.exp(math.log(B) - BETA * ln_tokens)
    least = E * to_bits
    above = (size + text) * to_bits
    return np.asarray(least + above / (1.0 + above / (MOST_BITS - least)))


def kaplan_bits(ln_parameters: Array, ln_bytes: Array) -> Array:
    """Return bits per byte by [(Nc / N)^(αN / αD) + Dc / D]^αD, the joint fit of [Kaplan2020].

    N leaves out embeddings. It was fitted from about a thousand parameters on, but every run went
    on until it got no better, so it promises much for a short training.
    """
    ln_tokens = ln_bytes - math.log(KAPLAN_BYTES_PER_TOKEN)
    size = np.exp((0.076 / 0.103) * (math.log(6.4e13) - ln_parameters))
    text = np.exp(math.log(1.8e13) - ln_tokens)
    nats = np.exp(0.103 * np.log(size + text))
    return np.asarray(nats / (math.log(2.0) * KAPLAN_BYTES_PER_TOKEN))


def vocabulary_bits(ln_vocabulary_parameters: Array, token_bytes: Array) -> Array:
    """Return the bits per byte that a small embedding table costs: A2 / Nv^α2 of [Tao2024].

    Nv is vocabulary × embedding size, held at the least that was fitted (2.1 million) below it.
    """
    ln_millions = np.maximum(ln_vocabulary_parameters, math.log(TAO_LEAST_PARAMETERS))
    nats = np.exp(math.log(0.19584) - 0.67074 * (ln_millions - math.log(1e6)))
    return np.asarray(nats / (math.log(2.0) * token_bytes))
