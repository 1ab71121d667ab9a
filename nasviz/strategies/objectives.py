"""What a search minimises: the quality of a trained trial, and any cost."""

from __future__ import annotations

from collections.abc import Sequence

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.errors import InputError, unknown_name
from nasviz.study.trial import Trial

# Objectives that only training can tell, and the result that each is read from. Strategies may see
# the search part of the held-out text alone: the test part is for reports.
TRAINED = {
    "bits_per_byte": "search_bits_per_byte",
    "measured_time_per_output_token_s": "measured_time_per_output_token_s",
}
NAMES = (*TRAINED, *(name for name, column in COST_COLUMNS.items() if column.better == "low"))


def check_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """Return the objectives; raises `InputError` for unknown ones, repeats, or none at all."""
    names = tuple(objectives)
    for name in names:
        if name not in NAMES:
            raise unknown_name("objective", name, NAMES)
        if names.count(name) > 1:
            raise InputError(f"objectives={list(names)} names {name!r} twice")
    if not names:
        raise InputError(f"no objective; name one or more of {', '.join(NAMES[:4])}, …")
    return names


def values_of(
    trial: Trial, objectives: Sequence[str], workload: Workload, hardware: Hardware
) -> tuple[float, ...] | None:
    """Return the trial's objectives, in order; None unless it is complete and has them all."""
    if trial.state != "complete":
        return None
    cost = estimate(trial.candidate, workload, hardware)
    values: list[float] = []
    for name in objectives:
        value = trial.result.get(TRAINED[name]) if name in TRAINED else COST_COLUMNS[name].of(cost)
        if value is None:
            return None
        values.append(float(value))
    return tuple(values)
