"""TPE, the tree-structured Parzen estimator: Bergstra et al. 2011 (NeurIPS 24).

For several objectives after Ozaki et al. 2020, doi:10.1145/3377930.3389817.
"""

from __future__ import annotations

from optuna.samplers import TPESampler

from nasviz.space.constraints import Cost
from nasviz.space.search_space import SearchSpace
from nasviz.strategies.optuna_strategy import OptunaStrategy

N_STARTUP = 10  # random draws before the estimator has something to estimate from


def tpe(
    space: SearchSpace, n_objectives: int, seed: int, cost: Cost | None = None
) -> OptunaStrategy:
    """Return a strategy that draws where good trials are dense and bad ones are rare."""
    return OptunaStrategy(
        space,
        n_objectives,
        seed,
        lambda number: TPESampler(seed=number, n_startup_trials=N_STARTUP),
        patience=1,
        cost=cost,
    )
