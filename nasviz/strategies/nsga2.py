"""NSGA-II: Deb et al. 2002, doi:10.1109/4235.996017."""

from __future__ import annotations

from optuna.samplers import NSGAIISampler

from nasviz.space.constraints import Cost
from nasviz.space.search_space import SearchSpace
from nasviz.strategies.optuna_strategy import OptunaStrategy

# Optuna's default is 50. Trials here are training runs, of which a search affords some dozens: with
# 50 the first generation, which is random, would be all there is.
POPULATION = 12


def nsga2(
    space: SearchSpace, n_objectives: int, seed: int, cost: Cost | None = None
) -> OptunaStrategy:
    """Return a strategy that crosses and mutates the best of the generation before."""
    return OptunaStrategy(
        space,
        n_objectives,
        seed,
        lambda number: NSGAIISampler(seed=number, population_size=POPULATION),
        cost=cost,
        first_memory={NSGAIISampler._get_generation_key(): 0},
    )
