"""`Desk`: has the trials of a comparison trained, or finds what an earlier run left of them.

A comparison is a function of its settings and of what its trials came to. So it is resumed by
running it again: it asks for the same trials in the same order, and those that are in the study
are not trained a second time.
"""

from __future__ import annotations

import threading

from nasviz.errors import InputError
from nasviz.strategies.attended import Stopped, attended
from nasviz.strategies.strategy import Proposal
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan


class Desk:
    """Trains the proposals of one study's roads, each road's one after the other.

    `stop` ends the waiting: the trial in training is paused then, and `Stopped` raised.
    """

    def __init__(self, study: Study, corpus: str, stop: threading.Event) -> None:
        self.study = study
        self._corpus = corpus
        self._stop = stop
        self._roads: dict[str, list[int]] = {}
        for trial in study.trials():
            self._roads.setdefault(trial.origin, []).append(trial.number)

    def trained(self, road: str, place: int, proposal: Proposal, plan: TrainingPlan) -> Trial:
        """Return the finished trial number `place` of a road: stored by now, or trained first.

        Raises `InputError` where the study holds another candidate in its place, and `Stopped`.
        """
        known = self._roads.setdefault(road, [])
        if place < len(known):
            self._check(known[place], proposal)
        else:
            if self._stop.is_set():
                raise Stopped
            asked = {"settings": dict(proposal.settings), "memory": dict(proposal.memory)}
            trial = self.study.add(
                proposal.candidate,
                plan.with_(**proposal.settings),
                self._corpus,
                road,
                proposal={**asked, "place": place},
            )
            known.append(trial.number)
        return attended(self.study, known[place], self._stop)

    def _check(self, number: int, proposal: Proposal) -> None:
        trial = self.study.trial(number)
        if trial.candidate != proposal.candidate:
            raise InputError(
                f"{self.study!r}: trial {number} is another candidate than this comparison asks "
                "for in its place; another release of nasviz made it: use another --study"
            )
