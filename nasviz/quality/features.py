"""What the prior knows of a candidate: the logarithms that its bits per byte are a function of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.quality.laws import (
    bytes_per_token,
    chinchilla_bits,
    effective_bytes,
    kaplan_bits,
    vocabulary_bits,
)
from nasviz.space.table import CandidateTable

Floats = NDArray[np.float32]

# More left context than this many bytes is worth next to nothing to a small model.
MOST_CONTEXT_BYTES = 8192

NAMES = ("law", "parameters", "text", "context", "vocabulary", "aspect")


@dataclass(frozen=True)
class Features:
    """Logarithms of n candidates, each of shape `(n,)` or `(1,)` where all share it.

    `law` is what the published laws say, ln(bits per byte); `parameters` (without embeddings),
    `text` (bytes of new text that the training is worth) and `context` (bytes on the left) can
    only help, `vocabulary` and `aspect` (embedding size / layers) may do either.
    """

    law: Floats
    parameters: Floats
    text: Floats
    context: Floats
    vocabulary: Floats
    aspect: Floats
    length: int

    def columns(self) -> list[Floats]:
        """Return the features in the order of `NAMES`."""
        return [getattr(self, name) for name in NAMES]


def features(
    table: CandidateTable,
    non_embedding_parameters: Any,
    training_tokens: Any,
    *,
    corpus_bytes: float | None = None,
    token_bytes: Any = None,
) -> Features:
    """Return the features of every candidate of `table`.

    `non_embedding_parameters` are those that one token uses, `training_tokens` how many tokens a
    candidate is trained on: numbers, or arrays of shape `(n,)` or `(1,)`. With `corpus_bytes`, the
    size of the training part, repeated text counts less. `token_bytes` are the bytes per token of
    each candidate's vocabulary; a published curve stands in for them.

    Raises `InputError` for counts that are not positive.
    """
    vocabulary = _logarithm("vocab_size", table.columns["vocab_size"])
    width = _logarithm("d_model", table.columns["d_model"])
    parameters = _logarithm("non_embedding_parameters", non_embedding_parameters)
    tokens = _logarithm("training_tokens", training_tokens)
    per_token = bytes_per_token(vocabulary) if token_bytes is None else _floats(token_bytes)
    ln_per_token = np.log(per_token)
    text = tokens + ln_per_token
    if corpus_bytes is not None:
        text = np.log(effective_bytes(np.exp(text), _positive("corpus_bytes", corpus_bytes)))
    context = _logarithm("context_length", table.columns["context_length"]) + ln_per_token
    bits = np.sqrt(chinchilla_bits(parameters, text) * kaplan_bits(parameters, text))
    bits = bits + vocabulary_bits(vocabulary + width, per_token)
    return Features(
        law=np.log(bits).astype(np.float32),
        parameters=parameters,
        text=text.astype(np.float32),
        context=np.minimum(context, np.float32(np.log(MOST_CONTEXT_BYTES))),
        vocabulary=vocabulary,
        aspect=width - _logarithm("n_layers", table.columns["n_layers"]),
        length=len(table),
    )


def _floats(values: Any) -> Floats:
    return np.atleast_1d(np.asarray(values)).astype(np.float32)


def _logarithm(name: str, values: Any) -> Floats:
    array = _floats(values)
    if array.size and not array.min() > 0:
        raise InputError(f"{name}={array.min():g} is not a positive count")
    return np.asarray(np.log(array))


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise InputError(f"{name}={value!r} is not a positive number of bytes")
    return float(value)
