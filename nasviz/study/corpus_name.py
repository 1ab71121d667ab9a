"""By what name a trial remembers its corpus."""

from __future__ import annotations

import os

from nasviz.corpus.corpus import corpus_names


def settled_corpus(corpus: str | os.PathLike[str]) -> str:
    """Return a corpus's name, or its absolute path: a worker runs in another folder."""
    name = os.fspath(corpus)
    path = os.path.expanduser(name)
    if name in corpus_names() or not os.path.exists(path):
        return name
    return os.path.abspath(path)
