"""`Point`: one way to run one trained model, with its quality and its cost.

A static trial is one point. A trial with early exit is as many as its sweep has thresholds, all
from one training. The sweep is arithmetic on what the exits said while every layer ran: exact where
skipped layers are recomputed, an estimate where states are propagated (the reported points are
really run). Costs are the operations of one generated token, exit checks counted, under the
decisions that were seen on the text: while searching none that were seen on the test part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.space.candidate import Candidate
from nasviz.space.options.early_exit import EarlyExit
from nasviz.study.trial import Trial

# Bits per byte of held-out text, and FLOPs of one generated token; both minimised.
Values = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """A trial's model run as `candidate` says, on two parts of the text.

    `calibration` is what thresholds are chosen by, `search` what strategies and fronts see.
    """

    trial: int
    candidate: Candidate
    calibration: Values
    search: Values

    @property
    def threshold(self) -> float | None:
        """The exit threshold, None without early exit."""
        option = self.candidate.inference.get(EarlyExit)
        return None if option is None else option.threshold


def points_of(trial: Trial, thresholds: tuple[float, float] = (0.0, 1.0)) -> tuple[Point, ...]:
    """Return what a complete trial's model can be run as, by threshold; `()` for any other trial.

    `thresholds` are the lowest and highest that are allowed.
    """
    if trial.state != "complete":
        return ()
    sweeps = trial.result.get("exit_sweeps")
    if sweeps is None:
        return (_own_point(trial),)
    low, high = thresholds
    grid = sweeps["search"]["thresholds"]
    rows = [row for row, each in enumerate(grid) if low <= each <= high]
    return tuple(_swept_point(trial, sweeps, row) for row in rows)


def tested(trial: Trial) -> Values | None:
    """Return a complete trial's values on the test part, as it was really run; else None."""
    if trial.state != "complete":
        return None
    observed = Observed.from_json(trial.result.get("observed", {}))
    return float(trial.result["bits_per_byte"]), _flops(trial.candidate, observed)


def _own_point(trial: Trial) -> Point:
    """Return the point of a trial as it was run: decisions are those seen on the search part."""
    flops = _flops(trial.candidate, _seen_in_search(trial))
    return Point(
        trial.number,
        trial.candidate,
        (float(trial.result["calibration_bits_per_byte"]), flops),
        (float(trial.result["search_bits_per_byte"]), flops),
    )


def _swept_point(trial: Trial, sweeps: Mapping[str, Any], row: int) -> Point:
    option = trial.candidate.inference.get(EarlyExit)
    assert option is not None  # whoever stores a sweep has exits
    chosen = replace(option, threshold=sweeps["search"]["thresholds"][row], thresholds=())
    policy = trial.candidate.inference.with_(chosen)
    candidate = Candidate(trial.candidate.architecture, policy)
    seen = _seen_in_search(trial)
    values = {
        part: (
            float(sweep["bits_per_byte"][row]),
            _flops(candidate, replace(seen, exit_shares=tuple(sweep["exit_shares"][row]))),
        )
        for part, sweep in sweeps.items()
    }
    return Point(trial.number, candidate, values["calibration"], values["search"])


def _seen_in_search(trial: Trial) -> Observed:
    """Return what a trial's policy decided on the search part: the test part is for reports."""
    return Observed.from_json(trial.result.get("search_observed", {}))


def _flops(candidate: Candidate, observed: Observed) -> float:
    return float(estimate(candidate, Workload(), observed=observed).flops.decode_per_token)
