"""`CorpusFacts`: how long the text is that trials learn from, and how much of it a token holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.quality.laws import ln_bytes_per_token
from nasviz.study.corpus_name import settled_corpus
from nasviz.study.trial import Trial


@dataclass(frozen=True)
class CorpusFacts:
    """What is known of one corpus; the empty one knows nothing yet.

    `train_bytes` is the length of the part that is trained on, `measured` the mean bytes a token
    by size of vocabulary.
    """

    corpus: str = ""
    train_bytes: int | None = None
    measured: Mapping[int, float] = field(default_factory=dict)

    def bytes_per_token(self, vocab_sizes: ArrayLike) -> NDArray[np.float64]:
        """Return the mean bytes a token for each vocabulary, in the shape of `vocab_sizes`.

        Measured where they are known, else by the published curve of `nasviz.quality.laws`.
        """
        sizes = np.asarray(vocab_sizes)
        means = np.exp(ln_bytes_per_token(np.log(sizes))).astype(np.float64)
        for size, mean in self.measured.items():
            means = np.where(sizes == size, mean, means)
        return means

    def with_trials(self, trials: Sequence[Trial]) -> CorpusFacts:
        """Return these facts with what the results of trials on this corpus tell."""
        settled = settled_corpus(self.corpus or "python")
        told = {
            trial.candidate.architecture.vocab_size: trial.result["bytes"] / trial.result["tokens"]
            for trial in trials
            if trial.state == "complete" and trial.corpus == settled and "bytes" in trial.result
        }
        return CorpusFacts(self.corpus, self.train_bytes, {**told, **self.measured})


def read_facts(corpus: str, vocab_sizes: Iterable[int], known: CorpusFacts) -> CorpusFacts:
    """Return the facts of `corpus` with its bytes a token measured for `vocab_sizes`.

    What `known` holds of the same corpus is not read again. A vocabulary that was never fitted to
    this text takes some seconds. Raises `InputError` for a corpus that can't be opened.
    """
    from nasviz.corpus.corpus import open_corpus
    from nasviz.corpus.tokenized import tokenize

    measured = dict(known.measured) if known.corpus == corpus else {}
    missing = [size for size in vocab_sizes if size not in measured]
    if known.corpus == corpus and known.train_bytes is not None and not missing:
        return known
    text = open_corpus(corpus)
    measured |= {size: tokenize(text, size).bytes_per_token() for size in missing}
    return CorpusFacts(corpus, text.part_bytes("train"), measured)
