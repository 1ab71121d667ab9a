"""What the prior knows of a candidate: the logarithms that its bits per byte are a function of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.quality.blocks import in_blocks
from nasviz.quality.laws import (
    chinchilla_bits,
    effective_bytes,
    kaplan_bits,
    ln_bytes_per_token,
    vocabulary_bits,
)
from nasviz.space.table import CandidateTable

Floats = NDArray[np.float32]

# More left context than this many bytes is worth next to nothing to a small model.
MOST_CONTEXT_BYTES = 8192
_MOST_LN_CONTEXT = np.float32(np.log(MOST_CONTEXT_BYTES))

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
    counts = {
        "n_layers": table.columns["n_layers"],
        "d_model": table.columns["d_model"],
        "vocab_size": table.columns["vocab_size"],
        "context_length": table.columns["context_length"],
        "non_embedding_parameters": _column(non_embedding_parameters),
        "training_tokens": _column(training_tokens),
    }
    if token_bytes is not None:
        counts["token_bytes"] = _column(token_bytes)
    _check_lengths(counts, len(table))
    unique = None if corpus_bytes is None else _positive("corpus_bytes", corpus_bytes)

    def logarithms(*columns: NDArray[Any]) -> tuple[Floats, ...]:
        logs = map(_logarithm, counts, columns)
        return _features(dict(zip(counts, logs, strict=True)), unique)

    found = in_blocks(logarithms, list(counts.values()), len(table))
    return Features(**dict(zip(NAMES, found, strict=True)), length=len(table))


def _features(ln: dict[str, Floats], corpus_bytes: float | None) -> tuple[Floats, ...]:
    """Return the columns of `Features` from the logarithms of a table's counts."""
    vocabulary, parameters = ln["vocab_size"], ln["non_embedding_parameters"]
    ln_per_token = ln.get("token_bytes")
    if ln_per_token is None:
        ln_per_token = ln_bytes_per_token(vocabulary)
    text = ln["training_tokens"] + ln_per_token
    if corpus_bytes is not None:
        text = np.log(effective_bytes(np.exp(text), corpus_bytes))
    bits = np.sqrt(chinchilla_bits(parameters, text) * kaplan_bits(parameters, text))
    bits = bits + vocabulary_bits(vocabulary + ln["d_model"], np.exp(ln_per_token))
    context = np.minimum(ln["context_length"] + ln_per_token, _MOST_LN_CONTEXT)
    return np.log(bits), parameters, text, context, vocabulary, ln["d_model"] - ln["n_layers"]


def _column(values: Any) -> NDArray[Any]:
    return np.atleast_1d(np.asarray(values))


def _check_lengths(columns: dict[str, NDArray[Any]], length: int) -> None:
    for name, column in columns.items():
        if column.shape not in ((1,), (length,)):
            raise InputError(f"{name} has shape {column.shape} for {length} candidates")


def _logarithm(name: str, values: NDArray[Any]) -> Floats:
    array = values.astype(np.float32)
    if array.size and not array.min() > 0:
        raise InputError(f"{name}={array.min():g} is not a positive count")
    return np.asarray(np.log(array))


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise InputError(f"{name}={value!r} is not a positive number of bytes")
    return float(value)
