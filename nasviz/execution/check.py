"""What can be said of a text before a trial is stored."""

from __future__ import annotations

import os

from nasviz.errors import InputError
from nasviz.space.candidate import Candidate


def check_corpus(corpus: str | os.PathLike[str]) -> None:
    """Raise `InputError` for a corpus that can't be trained on."""
    from nasviz.corpus.corpus import open_corpus

    open_corpus(corpus)


def check_text(candidate: Candidate, corpus: str | os.PathLike[str]) -> None:
    """Raise `InputError` where the corpus is too short for the candidate's context.

    Fits the tokenizer, which the worker then finds in the cache.
    """
    from nasviz.corpus.corpus import open_corpus
    from nasviz.corpus.tokenized import tokenize

    architecture = candidate.architecture
    tokens = tokenize(open_corpus(corpus), architecture.vocab_size).tokens("train")
    if len(tokens) <= architecture.context_length:
        raise InputError(
            f"context_length={architecture.context_length} is more than the {len(tokens)} tokens "
            f"of corpus {os.fspath(corpus)!r}; use a longer text, or a context up to "
            f"{len(tokens) - 1}"
        )
