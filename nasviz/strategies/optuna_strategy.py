"""A strategy made of one of Optuna's samplers.

Optuna samples from a box, and a search space is not one: heads must divide widths, costs have
limits, and what was proposed before is not worth a second training. A draw that can't be proposed
is *rejected* and drawn anew, at most `patience` times in a row; then the last one is *repaired*:
the feasible new candidate nearest to it is proposed, and that is what the sampler is told of.
`rejected` counts both, by reason. Random search has a long patience, since rejection leaves it
uniform over the feasible candidates. TPE has none: it prefers what it knows little of, and would
draw the same infeasible values again and again (measured on the laptop space: 64 rejections in a
row for 4 proposals in 5).

The sampler sees an in-memory study of what was told, not the stored one: Optuna's storage would
read all trials anew for each question, and in a study of several searches it would mix them. It is
seeded afresh for every draw from the seed and the number of proposals so far, which is why a search
that goes on in another process asks what it would have asked in this one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nasviz.cost.columns import cost_columns
from nasviz.errors import InputError
from nasviz.space.constraints import Cost
from nasviz.space.points import Points
from nasviz.space.search_space import SearchSpace
from nasviz.strategies import grid
from nasviz.strategies.repair import feasible_near
from nasviz.strategies.strategy import Proposal

PATIENCE = 64


class OptunaStrategy:
    """Asks a sampler of Optuna's about a search space; see `nasviz.strategies.strategy.Strategy`.

    `sampler` makes one from a seed; `first_memory` is what a candidate that the strategy did not
    propose itself (the user's own, a history without memory) counts as; `patience` is how many
    draws in a row may be rejected.
    """

    def __init__(
        self,
        space: SearchSpace,
        n_objectives: int,
        seed: int,
        sampler: Callable[[int], BaseSampler],
        *,
        patience: int = PATIENCE,
        first_memory: Mapping[str, Any] | None = None,
        cost: Cost | None = None,
    ) -> None:
        if not space.dimensions:
            raise InputError(f"the space {space.name!r} has no dimension to search")
        self.space = space
        self.seed = seed
        self.cost = cost_columns() if cost is None else cost
        self.rejected: Counter[str] = Counter()
        self._sampler = sampler
        self._patience = patience
        self._first_memory = dict(first_memory or {})
        self._distributions = grid.distributions(space)
        self._known: set[tuple[Any, ...]] = set()
        self._asked = 0
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._study = optuna.create_study(directions=[StudyDirection.MINIMIZE] * n_objectives)
        finally:
            optuna.logging.set_verbosity(verbosity)

    def ask(self) -> Proposal:
        """Return the next candidate: in the space, and new unless nothing new is left."""
        memory: Mapping[str, Any] = {}
        drawn: Points = {}
        for attempt in range(self._patience):
            drawn, memory = self._draw(attempt)
            settled, kept = grid.settle(self.space, drawn, 1, self.cost)
            if not kept[0]:
                self.rejected["not in the space"] += 1
                continue
            proposal = grid.proposal_at(self.space, settled, 0, memory)
            if proposal.key not in self._known:
                return self._proposed(proposal)
            self.rejected["proposed before"] += 1
        return self._proposed(self._repaired(drawn, memory))

    def wait_for(self, proposal: Proposal) -> None:
        """Count a proposal of an earlier process that has no values yet as asked."""
        self._remember(proposal)

    def tell(self, proposal: Proposal, values: tuple[float, ...] | None) -> None:
        """Learn what came of a proposal; None, or a value that is no number, is a failure."""
        self._remember(proposal)
        if values is None or not all(math.isfinite(value) for value in values):
            return
        point = grid.point_of(self.space, proposal)
        self._study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                values=list(values),
                params=grid.params_at(self.space, point, 0),
                distributions=self._distributions,
                system_attrs=dict(proposal.memory) or self._first_memory,
            )
        )

    def _proposed(self, proposal: Proposal) -> Proposal:
        self._remember(proposal)
        return proposal

    def _remember(self, proposal: Proposal) -> None:
        if proposal.key not in self._known:
            self._known.add(proposal.key)
            self._asked += 1

    def _draw(self, attempt: int) -> tuple[Points, Mapping[str, Any]]:
        """Return one draw of the sampler and what it remembers of it."""
        self._study.sampler = self._sampler(self._seed(attempt))
        trial = self._study.ask(self._distributions)
        frozen: FrozenTrial = self._study.get_trials(deepcopy=False)[trial.number]
        point = grid.point_at(self.space, trial.params)
        memory = dict(frozen.system_attrs)
        # The draw itself is no trial: what comes of it is told with its values.
        self._study.tell(trial, state=TrialState.FAIL)
        return point, memory

    def _seed(self, attempt: int) -> int:
        words = np.random.SeedSequence([self.seed, self._asked, attempt]).generate_state(1)
        return int(words[0])

    def _repaired(self, drawn: Points, memory: Mapping[str, Any]) -> Proposal:
        """Return the nearest feasible candidate that is new, or the nearest where none is."""
        self.rejected["repaired"] += 1
        nearest: Proposal | None = None
        for points, row in feasible_near(self.space, drawn, self.cost, self._seed(self._patience)):
            proposal = grid.proposal_at(self.space, points, row, memory)
            if proposal.key not in self._known:
                return proposal
            nearest = nearest or proposal
        assert nearest is not None  # an empty space raises while it is sampled
        self.rejected["nothing new left"] += 1
        return nearest
