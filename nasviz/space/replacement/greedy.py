"""The step-by-step selection that an exact one is held against: cheapest change first."""

from __future__ import annotations

import numpy as np

from nasviz.space.replacement.problem import Chosen, Floats, ReplacementProblem


def greedy(problem: ReplacementProblem) -> Chosen | None:
    """Return a selection (L,) that keeps the limits; None where single steps don't lead to one.

    From the least loss of each block, the change that adds the least loss for what it takes off the
    limits' excess is made until none is left; what it freed too much is then given back, where the
    loss falls the most.
    """
    chosen: Chosen = problem.losses.argmin(axis=1)
    while not problem.fits(chosen):
        rises, excess = _changes(problem, chosen)
        saved = float(problem.excess(chosen).sum()) - excess
        if not (saved > 0).any():
            return None
        price = np.where(saved > 0, rises / np.where(saved > 0, saved, 1.0), np.inf)
        chosen = _changed(chosen, price)
    while True:
        rises, excess = _changes(problem, chosen)
        gain = np.where((excess == 0) & (rises < 0), rises, 0.0)
        if not gain.any():
            return chosen
        chosen = _changed(chosen, gain)


def _changes(problem: ReplacementProblem, chosen: Chosen) -> tuple[Floats, Floats]:
    """Return the rise of the loss, and all excess then, by every single change: (L, C) twice."""
    n_blocks, n_choices = problem.losses.shape
    each = np.broadcast_to(chosen, (n_blocks, n_choices, n_blocks)).copy()
    blocks = np.arange(n_blocks)
    each[blocks, :, blocks] = np.arange(n_choices)
    return problem.loss(each) - problem.loss(chosen), problem.excess(each).sum(axis=-1)


def _changed(chosen: Chosen, price: Floats) -> Chosen:
    """Return the selection with the change of the lowest price (L, C) made."""
    block, choice = divmod(int(price.argmin()), price.shape[1])
    changed = chosen.copy()
    changed[block] = choice
    return changed
