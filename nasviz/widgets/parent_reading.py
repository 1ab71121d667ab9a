"""`ParentReading`: what is stored of a trained model that may be pruned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nasviz.errors import InputError
from nasviz.execution.parents import parent_folder
from nasviz.space.lineage import Lineage
from nasviz.space.measurement import (
    METHODS,
    Measurement,
    Method,
    load_measurement,
    measurement_path,
)
from nasviz.study.trial import Trial
from nasviz.widgets.exit_reading import ExitReading, has_exits, read_exits

if TYPE_CHECKING:
    from nasviz.study.study import Study


@dataclass(frozen=True, eq=False)
class ParentReading:
    """A complete trial, its model's folder, what was measured of its parts, and its exits.

    `problem` says which stored file could not be read, and why.
    """

    trial: Trial
    folder: Path
    measured: Mapping[Method, Measurement] = field(default_factory=dict)
    exits: ExitReading | None = None
    problem: str = ""


def read_parent(study: Study, trial: Trial) -> ParentReading:
    """Return what is stored of `trial`; raises `InputError` where it has no model to prune."""
    folder = parent_folder(study, Lineage(parent_trial=trial.number))
    measured: dict[Method, Measurement] = {}
    exits, problems = None, []
    for method in METHODS:
        if measurement_path(folder, method).exists():
            try:
                sizes = trial.candidate.architecture
                measured[method] = load_measurement(folder, method, sizes)
            except InputError as problem:
                problems.append(str(problem))
    if has_exits(trial):
        try:
            exits = read_exits(study, trial)
        except InputError as problem:
            problems.append(str(problem))
    return ParentReading(trial, folder, measured, exits, "; ".join(problems))


def parent_candidates(trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
    """Return the trials that can be pruned, latest first."""
    return tuple(each for each in reversed(trials) if each.state == "complete")
