"""Fitting a tokenizer to a training text: once, at the largest useful size, then cut."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from nasviz.corpus.cache import cached
from nasviz.corpus.tokenizer import N_BYTES, Tokenizer, safe_pieces

# Vocabularies up to this size share one fit; larger ones share the next power of two.
USUAL_SIZE = 1 << 16

# Merges settle long before this much text; more costs time and memory only.
FIT_BYTES = 32 << 20
_SAMPLES = 256


def fitted_tokenizer(train_text: bytes, vocab_size: int) -> Tokenizer:
    """Return the tokenizer of `vocab_size` ids fitted to `train_text`, from the cache if there.

    Every size up to `USUAL_SIZE` is a cut of one fit, so the smaller's ids are the larger's.
    """
    if vocab_size <= N_BYTES:
        return Tokenizer(vocab_size)
    size = fit_size(vocab_size)
    key = f"bpe1-{size}-{hashlib.sha256(train_text).hexdigest()}"
    entry = cached("tokenizers", key, ".json", lambda: _fit_payload(train_text, size))
    return _read_merges(entry.path, size).cut(vocab_size)


def fit_size(vocab_size: int) -> int:
    """Return the size at which the vocabulary of `vocab_size` ids is fitted."""
    return max(USUAL_SIZE, 1 << (vocab_size - 1).bit_length())


def fit(train_text: bytes, size: int) -> Tokenizer:
    """Return the tokenizer of up to `size` ids fitted to `train_text` (UTF-8).

    Pairs that occur once are not merged: it would only learn the text by heart.
    """
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers, trainers

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pieces = (piece.decode("utf-8") for piece in safe_pieces(sample(train_text), 1 << 16))
    backend.train_from_iterator(pieces, trainer)
    model = json.loads(backend.to_str())["model"]
    return Tokenizer(size, _numbered(model["merges"]))


def sample(text: bytes) -> bytes:
    """Return `text`, or evenly spread stretches of it that come to `FIT_BYTES` if it is longer."""
    if len(text) <= FIT_BYTES:
        return text
    length = FIT_BYTES // _SAMPLES
    starts = [index * (len(text) - length) // (_SAMPLES - 1) for index in range(_SAMPLES)]
    stretches = (text[start : start + length].decode(errors="ignore") for start in starts)
    return "".join(stretches).encode()


def _numbered(merges: list[list[str]]) -> tuple[tuple[int, int], ...]:
    """Return merges of spelled tokens as pairs of ids: bytes first, then merges in order."""
    ids = Tokenizer(N_BYTES).vocabulary()
    pairs = []
    for left, right in merges:
        # No token is spelled twice: what lies between two borders is merged in one way only.
        pairs.append((ids[left], ids[right]))
        ids[left + right] = len(ids)
    return tuple(pairs)


def _fit_payload(train_text: bytes, size: int) -> bytes:
    return json.dumps(fit(train_text, size).merges).encode()


def _read_merges(path: Path, size: int) -> Tokenizer:
    merges = json.loads(path.read_bytes())
    return Tokenizer(size, tuple((left, right) for left, right in merges))
