from __future__ import annotations

from pathlib import Path

import pytest

from nasviz.corpus.corpus import Corpus
from nasviz.corpus.standard_library import read_standard_library


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NASVIZ_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def library() -> bytes:
    return read_standard_library()


@pytest.fixture(scope="session")
def corpus(library: bytes) -> Corpus:
    """Some 200 kB of prose and code."""
    return Corpus.of("library", library[:200_003].decode(errors="ignore").encode())
