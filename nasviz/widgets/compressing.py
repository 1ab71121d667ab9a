"""`Compressing`: what the Compression tab has done beside the kernel's own thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nasviz.errors import NasvizError
from nasviz.space.kept import Kept
from nasviz.space.lineage import Heal
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan
from nasviz.widgets.background import WaitingJobs
from nasviz.widgets.parent_reading import ParentReading, read_parent
from nasviz.widgets.state import ExplorerState

if TYPE_CHECKING:
    from nasviz.execution.twin import Paid
    from nasviz.study.road_curves import BothRoads
    from nasviz.study.study import Study

Failed = Callable[[str], None]


class Compressing:
    """Reads parents and roads, and stores pruned trials and their twins, each on another thread.

    `study` returns the study on show, waiting while it is being opened; `look` has it looked at.
    What goes wrong is told to the caller's `failed`, in words.
    """

    def __init__(
        self, state: ExplorerState, study: Callable[[], Study], look: Callable[[], None]
    ) -> None:
        self._state, self._study, self._look = state, study, look
        self._jobs = WaitingJobs("nasviz-compress", lambda problem: self._tell(str(problem)))

    def close(self) -> None:
        """Begin nothing more."""
        self._jobs.close()

    def read(self, trial: Trial, take: Callable[[ParentReading], None], failed: Failed) -> None:
        """Read what is stored of a parent."""
        self._do(lambda: take(read_parent(self._study(), trial)), failed)

    def roads(
        self,
        child: Trial,
        twin: Trial | None,
        take: Callable[[BothRoads], None],
        failed: Failed,
    ) -> None:
        """Read how far a pruned trial and its twin have come."""

        def job() -> None:
            from nasviz.study.road_curves import both_roads

            take(both_roads(self._study(), child, twin))

        self._do(job, failed)

    def heal(self, parent: Trial, kept: Kept, way: Heal, tokens: int, failed: Failed) -> None:
        """Store a trial of `parent` with exactly these parts, healed on so many tokens."""

        def job() -> None:
            from nasviz.execution.parents import find_parent
            from nasviz.execution.prune import checked_order

            study, plan = self._study(), self._state.plan
            order = checked_order(
                find_parent(parent.number, study),
                None,
                TrainingPlan(tokens=tokens, seed=plan.seed, threads=plan.threads),
                heal=way,
                kept=kept,
                sizes=parent.candidate.architecture,
            )
            self._begin(study, order.add_to(study))

        self._do(job, failed)

    def twin(self, child: Trial, paid: Paid, failed: Failed) -> None:
        """Store the twin of a pruned trial, from scratch."""

        def job() -> None:
            from nasviz.execution.twin import add_twin

            study = self._study()
            self._begin(study, add_twin(study, child, paid))

        self._do(job, failed)

    def _begin(self, study: Study, trial: Trial) -> None:
        """Have a trial's curve on show, and a worker to take it."""
        from nasviz.execution.worker import ensure_worker

        self._state.watched = trial.number
        ensure_worker(study)
        self._look()

    def _do(self, job: Callable[[], None], failed: Failed) -> None:
        def run() -> None:
            try:
                job()
            except NasvizError as problem:
                failed(str(problem))

        self._jobs.submit(run)

    def _tell(self, problem: str) -> None:
        self._state.problem = problem
