from __future__ import annotations

import pytest

from nasviz.corpus.corpus import Corpus
from nasviz.corpus.standard_library import read_standard_library
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> TokenizedCorpus:
    """A little of Python's own text as bytes, under a cache of these tests' own."""
    whole = read_standard_library()[:60_013].decode(errors="ignore").encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        tokenized = tokenize(Corpus.of("library", whole), 256)
        for part in ("test", "calibration"):
            tokenized.tokens(part)
    return tokenized
