"""Selections by chance, which an exact one is held against."""

from __future__ import annotations

import numpy as np

from nasviz.space.replacement.problem import Chosen, ReplacementProblem

# Changes that are tried on each sample, for each of its blocks, before it is given up.
_TRIES = 100


def by_chance(problem: ReplacementProblem, n: int, seed: int) -> Chosen:
    """Return up to `n` selections that keep the limits, (m, L): fewer where chance finds fewer.

    Each begins anywhere; until it fits, random changes that bring it nearer to the limits are made.
    """
    generator = np.random.default_rng(seed)
    n_blocks, n_choices = problem.losses.shape
    chosen = generator.integers(n_choices, size=(n, n_blocks))
    excess = problem.excess(chosen).sum(axis=-1)  # (n,)
    for _ in range(_TRIES * n_blocks):
        (left,) = np.nonzero(excess)
        if not len(left):
            break
        tried = chosen[left]
        blocks = generator.integers(n_blocks, size=len(left))
        tried[np.arange(len(left)), blocks] = generator.integers(n_choices, size=len(left))
        beyond = problem.excess(tried).sum(axis=-1)
        nearer = beyond < excess[left]
        chosen[left[nearer]], excess[left[nearer]] = tried[nearer], beyond[nearer]
    fitting: Chosen = chosen[excess == 0]
    return fitting
