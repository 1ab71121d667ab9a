"""`Desk`: has the trials of a comparison trained, or finds what an earlier run left of them.

A trial is known by what it is: its arm, its candidate, its plan and what it was made from. So a
comparison is resumed by running it again, and one that asks for more trains only what is new.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from nasviz.errors import RunError
from nasviz.execution.parents import find_parent
from nasviz.execution.prune import checked_order
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.lineage import Lineage
from nasviz.space.pruning import Pruning
from nasviz.space.replacement.per_layer import PerLayer
from nasviz.strategies.attended import attended, pause
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan


@dataclass(frozen=True)
class Desk:
    """Trains what is asked for, one trial after the other.

    `text` is the corpus's hash: a file that was changed is another comparison. A trial that failed
    or was cancelled is asked for anew by the next run.
    """

    study: Study
    corpus: str
    text: str
    _never: threading.Event = field(default_factory=threading.Event)

    def trained(self, arm: str, architecture: Architecture, plan: TrainingPlan) -> Trial:
        """Return the complete trial of a model trained from new.

        Raises `RunError` where it failed; an interrupt pauses it.
        """
        return self._complete(arm, Candidate(architecture), plan, None)

    def pruned(
        self,
        arm: str,
        parent: int,
        target: Architecture | PerLayer,
        plan: TrainingPlan,
        pruning: Pruning,
    ) -> Trial:
        """Return the complete trial of a parent pruned to `target` and healed by distillation.

        Raises `RunError` where it failed; an interrupt pauses it.
        """
        order = checked_order(
            find_parent(parent, self.study), target, plan, pruning, corpus=self.corpus
        )
        return self._complete(arm, order.candidate, order.plan, order.lineage)

    def _complete(
        self, arm: str, candidate: Candidate, plan: TrainingPlan, lineage: Lineage | None
    ) -> Trial:
        origin = f"roads:{self.text[:12]}:{arm}"
        number = self._known(origin, candidate, plan, lineage)
        if number is None:
            asked = self.study.add(candidate, plan, self.corpus, origin, lineage=lineage)
            number = asked.number
        try:
            trial = attended(self.study, number, self._never)
        except KeyboardInterrupt:
            pause(self.study, number)
            raise
        if trial.state != "complete":
            raise RunError(
                f"{arm}: trial {number} {trial.state}: {trial.reason or 'no reason was given'}; "
                "the same command tries it again"
            )
        return trial

    def _known(
        self, origin: str, candidate: Candidate, plan: TrainingPlan, lineage: Lineage | None
    ) -> int | None:
        """Return the number of the trial that was asked for before, if it hasn't failed."""
        for trial in self.study.trials(states=("complete", "running", "waiting", "paused")):
            # Where layers are searched, the trial's sizes are what was found.
            searched = lineage is not None and lineage.per_layer is not None
            if (
                trial.origin == origin
                and (searched or trial.candidate == candidate)
                and TrainingPlan.from_json(trial.plan) == plan
                and trial.lineage == lineage
            ):
                return trial.number
        return None
