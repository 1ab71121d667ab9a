"""NSGA-II: Deb et al. 2002, doi:10.1109/4235.996017."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.samplers import NSGAIISampler

from nasviz.space.constraints import Cost
from nasviz.space.search_space import SearchSpace
from nasviz.strategies.optuna_strategy import OptunaStrategy

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

# Optuna's default is 50. Trials here are training runs, of which a search affords some dozens: with
# 50 the first generation, which is random, would be all there is.
POPULATION = 12


class OrderedNSGAII(NSGAIISampler):
    """NSGA-II whose parents always stand in the order of their trials.

    Optuna's stand in the order of their selection when they are selected, and in the order of
    their trials when they are read from its cache: a search that goes on in another process would
    draw other children.
    """

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation."""
        parents: list[FrozenTrial] = super().select_parent(study, generation)
        return sorted(parents, key=lambda trial: trial.number)


def nsga2(
    space: SearchSpace, n_objectives: int, seed: int, cost: Cost | None = None
) -> OptunaStrategy:
    """Return a strategy that crosses and mutates the best of the generation before."""
    return OptunaStrategy(
        space,
        n_objectives,
        seed,
        lambda number: OrderedNSGAII(seed=number, population_size=POPULATION),
        cost=cost,
        first_memory={OrderedNSGAII._get_generation_key(): 0},
    )
