from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from nasviz import Architecture, Candidate, Study
from nasviz.execution.worker import IDLE_VARIABLE, living_worker, stop_worker

WORDS = ("the", "a", "cat", "dog", "sat", "ran", "on", "mat", "and", "then", "slept", "moon")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small text with some order in it."""
    generator = random.Random(7)
    lines = [" ".join(generator.choices(WORDS, k=11)) + "." for _ in range(1_300)]
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text("\n".join(lines))
    return str(path)


@pytest.fixture
def candidate() -> Candidate:
    return Candidate(
        Architecture(n_layers=2, d_model=22, n_heads=11, vocab_size=256, context_length=13,
                     position="learned", norm="layernorm")
    )  # fmt: skip


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """A study whose worker, if there comes one, leaves with the test."""
    monkeypatch.setenv(IDLE_VARIABLE, "60")
    opened = Study.open(tmp_path / "study.db")
    yield opened
    if living_worker(opened) is not None:
        stop_worker(opened, wait_s=90)
    opened.close()
