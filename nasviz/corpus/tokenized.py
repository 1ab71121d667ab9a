"""`TokenizedCorpus`: a corpus under one vocabulary, its tokens memory-mapped from the cache."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.corpus.cache import cached
from nasviz.corpus.corpus import Corpus
from nasviz.corpus.fit import fitted_tokenizer
from nasviz.corpus.parts import check_part
from nasviz.corpus.tokenizer import Tokenizer


@dataclass(frozen=True)
class TokenizedCorpus:
    """A corpus under one vocabulary. Parts are encoded when first asked for, then kept on disk."""

    corpus: Corpus
    tokenizer: Tokenizer
    _kind: str = ""  # in the cache: "" where the tokenizer was fitted to this corpus
    _arrays: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return self.tokenizer.vocab_size

    @property
    def token_bytes(self) -> NDArray[np.int64]:
        """Bytes of each id, shape `(vocab_size,)`."""
        return self.tokenizer.token_bytes

    def tokens(self, part: str) -> NDArray[Any]:
        """Return a part's ids, memory-mapped and read-only, shape `(n,)`, uint16 or uint32.

        `token_bytes[tokens].sum()` is the number of bytes of the part.
        """
        if part not in self._arrays:
            start, stop = self.corpus.bounds[check_part(part)]
            key = f"1-{self.corpus.sha256}-{self._kind}{self.vocab_size}-{start}-{stop}"
            entry = cached("tokens", key, ".npy", lambda: self._encode(part))
            self._arrays[part] = np.load(entry.path, mmap_mode="r", allow_pickle=False)
        return self._arrays[part]

    def bytes_per_token(self, part: str = "train") -> float:
        """Return how many bytes of text a token of that part stands for, on average."""
        return self.corpus.part_bytes(part) / len(self.tokens(part))

    def _encode(self, part: str) -> bytes:
        file = io.BytesIO()
        tokens = part_tokens(self.tokenizer, self.corpus.part(part))
        np.save(file, tokens, allow_pickle=False)
        return file.getvalue()


def part_tokens(tokenizer: Tokenizer, text: bytes) -> NDArray[Any]:
    """Return the ids of a part: its first character as plain bytes, the rest as BPE has it.

    A part's first token has nothing before it and is never scored. Being one byte in every
    vocabulary, it leaves the same bytes to be scored in all of them.
    """
    width = len(text.decode("utf-8")[:1].encode())
    first = tokenizer.cut(256).encode_bytes(text[:width])
    rest = tokenizer.encode_bytes(text[width:])
    return np.concatenate([first.astype(rest.dtype), rest])


@lru_cache(maxsize=16)
def tokenize(corpus: Corpus, vocab_size: int) -> TokenizedCorpus:
    """Return `corpus` under a vocabulary of `vocab_size` ids, fitted to its training part alone.

    256 ids are the plain bytes; smaller vocabularies are prefixes of larger ones. Fits and tokens
    are kept in the cache. Raises `InputError` below 256.
    """
    return TokenizedCorpus(corpus, fitted_tokenizer(corpus.part("train"), vocab_size))


def tokenize_by(corpus: Corpus, tokenizer: Tokenizer) -> TokenizedCorpus:
    """Return `corpus` under a tokenizer that was fitted to another text, kept in the cache too."""
    kind = hashlib.sha256(repr(tokenizer).encode()).hexdigest()[:16]
    return TokenizedCorpus(corpus, tokenizer, f"{kind}-")
