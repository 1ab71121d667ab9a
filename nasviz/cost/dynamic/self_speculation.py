"""What self-speculation does to a cost: short passes that guess, and one that checks them all."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Pass, Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import Amount, choose

# How often a guess is right before anything was measured: about what LayerSkip's trained models
# reach (Elhoushi et al. 2024, table 3, arXiv:2404.16710). A prior, not a result.
PRIOR_ACCEPTANCE = 0.7


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with tokens that come in rounds: so many guesses, then a check of them all.

    A round of k guesses takes k + 1 passes through the first layers (the last one reads the last
    guess), k vectors of logits to guess from, and one pass of the k + 1 tokens through the rest,
    with logits at each of them.
    """
    layers, length = settings.number("draft_layers"), settings.number("draft_length")
    each_round = _tokens_per_round(length, observed)
    rounds = 1 / each_round  # a generated token's share of a round
    first, *others = running.decode
    on = choose(settings.on, choose(length > 0, 1, 0), 0)
    guess = Pass(layers, (length + 1) * rounds, logits=length / (length + 1))
    # In a table other rows' first pass may be that of an option which guesses exclude.
    guessing = Pass(
        **{
            each.name: choose(on, getattr(guess, each.name), getattr(first, each.name))
            for each in fields(Pass)
        }
    )
    checking = Pass(
        layers=running.sizes.n_layers - layers,
        share=choose(on, rounds, 0),
        tokens=length + 1,
        logits=length + 1,
    )
    return replace(running, decode=(guessing, checking, *others))


def _tokens_per_round(length: Amount, observed: Observed) -> Amount:
    """Return how many tokens a round gives: (1 - α^(k + 1)) / (1 - α) where guesses are
    independently right with chance α (Leviathan et al. 2023, equation 1, arXiv:2211.17192).
    """
    if observed.tokens_per_round is not None:
        return observed.tokens_per_round
    length = np.asarray(length, dtype=np.float64)
    rounds = (1 - PRIOR_ACCEPTANCE ** (length + 1)) / (1 - PRIOR_ACCEPTANCE)
    return float(rounds) if rounds.ndim == 0 else rounds
