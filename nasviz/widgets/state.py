"""`ExplorerState`: what the explorer shows, as traits; it has no view and needs no browser.

Panels read and write these traits and nothing else. Every change may come from any thread (a
slider, a cell, the thread that follows the study): `lock` keeps compound changes whole.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import traitlets

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.workload import Workload
from nasviz.errors import InputError, unknown_name
from nasviz.space.candidate import Candidate
from nasviz.space.search_space import SearchSpace
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan
from nasviz.widgets.corpus_facts import CorpusFacts
from nasviz.widgets.ranges import checked_ranges, full_ranges, narrowed_to

MOST_REMEMBERED = 100

WorkerState = Literal["none", "starting", "ready", "busy", "lost"]


@dataclass(frozen=True)
class StudySnapshot:
    """What the study held when it was last looked at.

    `problem` says why it can't be read, where it can't.
    """

    name: str = ""
    url: str = ""
    trials: tuple[Trial, ...] = ()
    worker: WorkerState = "none"
    problem: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """Where it is stored and by what name: the same for no other study."""
        return self.url, self.name

    def trial(self, number: int | None) -> Trial | None:
        """Return the trial of that number, or None."""
        return next((each for each in self.trials if each.number == number), None)

    def count(self, *states: str) -> int:
        """Return how many trials are in one of `states`."""
        return sum(each.state in states for each in self.trials)

    @property
    def unserved(self) -> bool:
        """Whether trials wait that no worker is there to train."""
        return self.worker in ("none", "lost") and self.count("waiting") > 0

    def latest(self) -> Trial | None:
        """Return the latest trial that runs, else the latest of all; None where there is none."""
        running = [each for each in self.trials if each.state == "running"]
        return next(reversed(running or list(self.trials)), None)

    def of(self, candidate: Candidate | None) -> tuple[Trial, ...]:
        """Return the trials of a candidate, latest first."""
        return tuple(each for each in reversed(self.trials) if each.candidate == candidate)


class ExplorerState(traitlets.HasTraits):
    """One explorer: a space and what is left of it, a workload on a hardware, a selection.

    `sample`, `count` and `prior` (an `Expectation`) follow from the others and are computed beside
    the kernel's thread by whoever owns the state; None until then. `facts` are what is known of
    the corpus, `corpus_problem` why it can't be read. `watched` is the number of the
    trial whose `curve` (number, arrays as `Study.curve` returns them) is on show. `exits` are
    those of the trained trial that the selection is, or differs from in thresholds alone
    (`ExitReading`), `exits_problem` why they can't be read. `search` is the `SearchResult`
    of the latest search so far. `opening` says that another study is being opened,
    `study_problem` why it could not be. `notice` says what takes a while just now, `problem` is the
    last thing that went wrong.
    """

    space = traitlets.Instance(SearchSpace)
    ranges = traitlets.Dict()
    limits = traitlets.Dict()
    target = traitlets.Float(None, allow_none=True)
    workload = traitlets.Instance(Workload)
    hardware = traitlets.Any(None, allow_none=True)
    corpus = traitlets.Unicode("python")
    facts = traitlets.Instance(CorpusFacts)
    prior = traitlets.Any(None, allow_none=True)
    sample = traitlets.Any(None, allow_none=True)
    count = traitlets.Any(None, allow_none=True)
    selection = traitlets.Instance(Candidate, allow_none=True)
    pinned = traitlets.Tuple()
    lassoed = traitlets.Tuple()
    study = traitlets.Instance(StudySnapshot)
    plan = traitlets.Instance(TrainingPlan)
    watched = traitlets.Int(None, allow_none=True)
    curve = traitlets.Any(None, allow_none=True)
    exits = traitlets.Any(None, allow_none=True)
    exits_problem = traitlets.Unicode("")
    search = traitlets.Any(None, allow_none=True)
    searching = traitlets.Bool(False)
    corpus_problem = traitlets.Unicode("")
    opening = traitlets.Bool(False)
    study_problem = traitlets.Unicode("")
    notice = traitlets.Unicode("")
    problem = traitlets.Unicode("")

    def __init__(self, space: SearchSpace, **traits: Any) -> None:
        self.lock = threading.RLock()
        self._history: list[Candidate] = []
        given = {
            "workload": Workload(),
            "study": StudySnapshot(),
            "plan": TrainingPlan(),
            "facts": CorpusFacts(),
            **traits,
        }
        super().__init__(space=space, ranges=full_ranges(space), **given)

    @traitlets.validate("ranges")
    def _check_ranges(self, proposal: Mapping[str, Any]) -> dict[str, list[Any]]:
        return checked_ranges(self.space, proposal["value"])

    @traitlets.validate("limits")
    def _check_limits(self, proposal: Mapping[str, Any]) -> dict[str, float]:
        return checked_limits(proposal["value"])

    @traitlets.validate("target")
    def _check_target(self, proposal: Mapping[str, Any]) -> float | None:
        target: float | None = proposal["value"]
        if target is not None and not target > 0:
            raise InputError(f"target={target!r} is not a number of weights; give one above 0")
        return target

    def narrowed_space(self) -> SearchSpace:
        """Return the space that ranges, limits and the target leave.

        Raises `InputError` where nothing is left.
        """
        with self.lock:
            space = narrowed_to(self.space, self.ranges)
        for name, maximum in self.limits.items():
            space = space.limited(name, maximum)
        if self.target is not None:
            solve_for = [name for name in ("d_model",) if name in space.names]
            space = space.with_parameters(self.target, solve_for or space.names[:1])
        return space

    def search_in(self, space: SearchSpace, ranges: Mapping[str, Any]) -> None:
        """Make `space` the explorer's, narrowed to `ranges`; dimensions left out stay whole.

        Raises `InputError` where the ranges don't fit it.
        """
        whole = checked_ranges(space, ranges)
        with self.lock, self.hold_trait_notifications():
            self.space = space
            self.ranges = whole

    def is_narrowed(self) -> bool:
        """Whether anything of the space is left out."""
        whole = self.ranges == full_ranges(self.space)
        return not whole or bool(self.limits) or self.target is not None

    def widen(self) -> None:
        """Drop every range, limit and target."""
        with self.hold_trait_notifications():
            self.ranges = full_ranges(self.space)
            self.limits = {}
            self.target = None

    # The selection, its past, and what was put aside.

    def select(self, candidate: Candidate | None) -> None:
        """Make `candidate` the selection; the one before can be had back by `undo`."""
        with self.lock:
            before = self.selection
            if candidate == before:
                return
            if before is not None:
                self._history = [*self._history, before][-MOST_REMEMBERED:]
            self.selection = candidate

    def undo(self) -> None:
        """Go back to the selection before this one, if there is one."""
        with self.lock:
            if self._history:
                self.selection = self._history.pop()

    @property
    def can_undo(self) -> bool:
        """Whether there is a selection to go back to."""
        return bool(self._history)

    def toggle_pin(self, candidate: Candidate) -> None:
        """Put a candidate among the pinned ones, or take it away."""
        with self.lock:
            others = tuple(each for each in self.pinned if each != candidate)
            self.pinned = others if candidate in self.pinned else (*others, candidate)


def checked_limits(given: Mapping[str, Any]) -> dict[str, float]:
    """Return the limits that are set, None being none; raises `InputError` for wrong ones."""
    kept: dict[str, float] = {}
    for name, maximum in given.items():
        if name not in COST_COLUMNS:
            raise unknown_name("cost", name, COST_COLUMNS)
        if maximum is None:
            continue
        if isinstance(maximum, bool) or not isinstance(maximum, int | float) or not maximum > 0:
            raise InputError(f"limit on {name}: {maximum!r} is not a number above 0")
        kept[name] = maximum
    return kept
