"""What trials saw of a policy on held-out text, as costs are weighted by it."""

from __future__ import annotations

from collections.abc import Iterable

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import Cost, estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.study.trial import Trial


def observed_of(trials: Iterable[Trial]) -> tuple[Trial, Observed] | None:
    """Return the first complete trial that measured its policy, and what it saw; else None."""
    for trial in trials:
        if trial.state == "complete" and trial.result.get("observed"):
            return trial, Observed.from_json(trial.result["observed"])
    return None


def trial_cost(trial: Trial, workload: Workload, hardware: Hardware) -> Cost:
    """Return what a trial's candidate costs, by what it saw of its own policy where it did."""
    found = observed_of([trial])
    observed = Observed() if found is None else found[1]
    return estimate(trial.candidate, workload, hardware, observed=observed)
