"""A family of trials: a parent, what was pruned of it, and their twins from scratch. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from nasviz.space.candidate import Candidate
from nasviz.study.trial import Trial

Tie = Literal["pruned", "twin"]


@dataclass(frozen=True)
class Bond:
    """Two trials that belong together: a parent and its child, or a child and its twin."""

    elder: Trial
    younger: Trial
    tie: Tie


def children_of(trials: Iterable[Trial], parent: int) -> tuple[Trial, ...]:
    """Return the trials that were pruned from trial `parent`, by number."""
    return tuple(
        each for each in trials if each.lineage is not None and each.lineage.parent_trial == parent
    )


def twin_of(trials: Iterable[Trial], child: int) -> Trial | None:
    """Return the latest twin of trial `child` that was not given up, None where it has none."""
    twins = [
        each
        for each in trials
        if each.twin_of == child and each.state not in ("failed", "cancelled")
    ]
    return twins[-1] if twins else None


def bonds_of(trials: tuple[Trial, ...], candidate: Candidate | None) -> tuple[Bond, ...]:
    """Return all bonds of the family that a candidate's latest trial belongs to; () of none.

    A family reaches from its first parent, which was pruned of no other trial, over all children
    of children; trials that failed or were cancelled are left out.
    """
    own = [each for each in trials if each.candidate == candidate]
    known = {each.number: each for each in trials}
    for trial in reversed(own):
        found = tuple(_bonds_below(trials, _first_parent(known, trial)))
        if found:
            return found
    return ()


def _first_parent(known: dict[int, Trial], trial: Trial) -> Trial:
    seen: set[int] = set()
    while trial.number not in seen:
        seen.add(trial.number)
        of = trial.lineage.parent_trial if trial.lineage is not None else trial.twin_of
        trial = known.get(-1 if of is None else of, trial)
    return trial


def _bonds_below(trials: tuple[Trial, ...], elder: Trial) -> Iterable[Bond]:
    for child in children_of(trials, elder.number):
        if child.state in ("failed", "cancelled") or child.number <= elder.number:
            continue
        yield Bond(elder, child, "pruned")
        twin = twin_of(trials, child.number)
        if twin is not None:
            yield Bond(child, twin, "twin")
        yield from _bonds_below(trials, child)
