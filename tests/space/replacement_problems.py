"""Invented problems of choosing a replacement for each block of a model."""

from __future__ import annotations

import numpy as np

from nasviz.space.replacement.problem import Floats, Limit, ReplacementProblem


def invented(seed: int, share: float, n_blocks: int = 32, n_choices: int = 8) -> ReplacementProblem:
    """Return blocks of which no two matter alike, and limits at a share of what all use.

    The first choice of each block is the parent's own. The more another one saves of weights and of
    time, by chance more of the one or of the other, the more it loses.
    """
    generator = np.random.default_rng(seed)
    matters = generator.lognormal(-3, 1.2, size=(n_blocks, 1))
    losses = matters * _rising(generator, n_blocks, n_choices) ** 2
    weights = 1e6 * (1 - 0.95 * _rising(generator, n_blocks, n_choices))
    seconds = 1e-4 * (1 - 0.9 * _rising(generator, n_blocks, n_choices))
    return ReplacementProblem(
        losses,
        (
            Limit("parameters", np.round(weights), share * 1e6 * n_blocks + 5e5, base=5e5),
            Limit("time per token", seconds, share * 1e-4 * n_blocks, unit="s"),
        ),
    )


def _rising(generator: np.random.Generator, n_blocks: int, n_choices: int) -> Floats:
    """Return shares that rise from 0 to 1 in each row, (blocks, choices)."""
    steps = generator.random((n_blocks, n_choices - 1)).cumsum(axis=1)
    shares = np.zeros((n_blocks, n_choices))
    shares[:, 1:] = steps / steps[:, -1:]
    return shares
