"""A quick look at held-out text during a run: bits per byte on one fixed, small sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from nasviz.training.windows import Tokens

# Enough to see a curve, little enough (0.5% of a default run's tokens) to cost nothing.
SAMPLE_TOKENS = 8_192


@dataclass(frozen=True)
class Sample:
    """Windows of held-out text: `inputs` and `targets` (n, length), `n_bytes` of the targets."""

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    n_bytes: int


def spread_sample(tokens: Tokens, token_bytes: NDArray[np.int64], length: int) -> Sample:
    """Return windows of `length` tokens spread evenly over `tokens`: the same ones every time."""
    length = min(length, len(tokens) - 1)
    count = max(1, min(SAMPLE_TOKENS // length, (len(tokens) - 1) // length))
    starts = np.linspace(0, len(tokens) - 1 - length, count).astype(np.int64)
    rows = np.asarray(tokens)[starts[:, None] + np.arange(length + 1)].astype(np.int64)
    targets = np.ascontiguousarray(rows[:, 1:])
    return Sample(np.ascontiguousarray(rows[:, :-1]), targets, int(token_bytes[targets].sum()))


def sample_nats(
    logits_of: Callable[[Tensor], Tensor], sample: Sample, rows: int, device: torch.device
) -> float:
    """Return the nats of all targets of `sample`, `rows` windows at a time.

    Every window is predicted from its own left context alone, so the estimate is higher than a
    score with a stride; it is for the curve.
    """
    nats = 0.0
    with torch.no_grad():
        for start in range(0, len(sample.inputs), rows):
            inputs = torch.from_numpy(sample.inputs[start : start + rows]).to(device)
            targets = torch.from_numpy(sample.targets[start : start + rows]).to(device)
            logits = logits_of(inputs).flatten(0, 1).float()
            nats += cross_entropy(logits, targets.flatten(), reduction="sum").item()
    return nats


def unigram_nats(tokens: Tokens, vocab_size: int) -> float:
    """Return the entropy of single tokens in nats: the loss of a model that knows no context."""
    counts = np.bincount(np.asarray(tokens[:1_000_000]), minlength=vocab_size)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
