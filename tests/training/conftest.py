"""A tiny text and a tiny candidate, so that real runs take a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate

VOCABULARY = 31


@dataclass(frozen=True)
class TinyText:
    """A text in which each token mostly follows from the one before it."""

    parts: dict[str, NDArray[Any]]
    token_bytes: NDArray[np.int64]

    def tokens(self, part: str) -> NDArray[Any]:
        return self.parts[part]


def tiny_tokens(n: int, seed: int) -> NDArray[Any]:
    random = np.random.default_rng(seed)
    noise = random.random(n) < 0.2
    tokens = np.empty(n, dtype=np.uint16)
    tokens[0] = 1
    for i in range(1, n):
        drawn = random.integers(VOCABULARY) if noise[i] else 3 * tokens[i - 1] + 7
        tokens[i] = drawn % VOCABULARY
    return tokens


@pytest.fixture(scope="session")
def text() -> TinyText:
    parts = {"train": tiny_tokens(4001, 0), "search": tiny_tokens(503, 1)}
    return TinyText(parts, np.full(VOCABULARY, 2, dtype=np.int64))


@pytest.fixture
def candidate() -> Candidate:
    return Candidate(
        Architecture(
            n_layers=2, d_model=20, n_heads=5, vocab_size=VOCABULARY, context_length=13, d_ff=28
        )
    )


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
