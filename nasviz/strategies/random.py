"""Random search: Bergstra & Bengio 2012, JMLR 13. The baseline that any other has to beat."""

from __future__ import annotations

from optuna.samplers import RandomSampler

from nasviz.space.constraints import Cost
from nasviz.space.search_space import SearchSpace
from nasviz.strategies.optuna_strategy import OptunaStrategy


def random(
    space: SearchSpace, n_objectives: int, seed: int, cost: Cost | None = None
) -> OptunaStrategy:
    """Return a strategy that draws uniformly among the feasible candidates of `space`."""
    return OptunaStrategy(
        space, n_objectives, seed, lambda number: RandomSampler(seed=number), cost=cost
    )
