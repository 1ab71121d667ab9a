"""`Trial`: a candidate, how it is trained, how far it is and what came out."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from nasviz.errors import InputError
from nasviz.space.candidate import Candidate
from nasviz.space.lineage import Lineage

TrialState = Literal["waiting", "running", "paused", "complete", "failed", "cancelled"]
Request = Literal["pause", "resume", "cancel"]

STATES: tuple[TrialState, ...] = (
    "waiting",
    "running",
    "paused",
    "complete",
    "failed",
    "cancelled",
)
FINISHED: tuple[TrialState, ...] = ("complete", "failed", "cancelled")
REQUESTS: tuple[Request, ...] = ("pause", "resume", "cancel")


@dataclass(frozen=True)
class Trial:
    """One row of a study, as it was when it was read; read it again to see it move on.

    `result` is empty until the trial is complete (its keys: `nasviz.execution.results`);
    `reason` says why a trial failed or was cancelled. `attempts` counts how often a
    worker took it, `deaths` how many workers died on it.
    Times are UTC. `proposal` holds what whoever asked for it remembers of it (`{}` for a user's),
    `lineage` the parent that a pruned trial was made from (None: its first weights are drawn).
    """

    number: int
    candidate: Candidate
    plan: Mapping[str, Any]
    corpus: str
    state: TrialState
    origin: str = "user"
    result: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    reason: str = ""
    request: str = ""
    created: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    worker: int | None = None
    attempts: int = 0
    deaths: int = 0
    proposal: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    lineage: Lineage | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to this trial."""
        return self.state in FINISHED

    @property
    def twin_of(self) -> int | None:
        """The pruned trial whose rival from scratch this one is; None for any other trial."""
        number: int | None = self.proposal.get("twin_of")
        return number

    def to_json(self) -> dict[str, Any]:
        """Return the trial as plain JSON values, times in ISO 8601."""
        return {
            "trial": self.number,
            "state": self.state,
            "candidate": self.candidate.to_json(),
            "plan": dict(self.plan),
            "corpus": self.corpus,
            "origin": self.origin,
            **({} if self.lineage is None else {"lineage": self.lineage.to_json()}),
            "result": dict(self.result),
            "reason": self.reason,
            "created": _iso(self.created),
            "started": _iso(self.started),
            "ended": _iso(self.ended),
        }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


_LARGEST_NUMBER = 2**31 - 1  # of a database's integers


def trial_number(number: object) -> int:
    """Return a trial's number as a plain integer; raises `InputError` for anything else."""
    try:
        if isinstance(number, bool):
            raise TypeError
        index = operator.index(number)  # type: ignore[arg-type]
        if index > _LARGEST_NUMBER:
            raise TypeError
        return index
    except TypeError:
        raise InputError(f"trial={number!r} is not a trial's number, such as 0") from None
