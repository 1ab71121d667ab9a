"""An exit threshold with a guarantee: chosen on one part of the text, reported on another.

As in CALM (Schuster et al. 2022, arXiv:2207.07061) thresholds are tested from the highest down by
Learn then Test (`nasviz.quality.risk_control`). A test needs independent losses, and tokens aren't:
they share their text. The unit is therefore a window of the scoring pass, or several in a row, and
the risk is the mean over units of a unit's own loss. That units of one corpus stand for the text to
come is an assumption, the usual one; windows that overlap in context share more, so take several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.errors import InputError, unknown_name
from nasviz.quality.exit_rule import ExitOutcome, comparable_confidence, reachable
from nasviz.quality.exit_sweep import sweep, threshold_grid
from nasviz.quality.exit_trace import ExitTrace
from nasviz.quality.risk_control import betting_p_values, losses_needed, passed_in_order

Loss = Literal["disagreement", "excess_bits_per_byte"]
LOSSES: tuple[str, ...] = get_args(Loss)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RiskLimit:
    """How much may be lost by leaving early, and how seldom more.

    loss: "disagreement" is the share of a unit's tokens that would be named unlike the whole model
    names them; "excess_bits_per_byte" is what a unit needs beyond the whole model, where less
    counts as 0 and more than `most_excess` as that: the guarantee is for losses so bounded.
    tolerance: the risk allowed, in the loss's own unit.
    risk_probability: the chance, over calibration texts, that the true risk is higher.
    windows_per_unit: windows in a row that count as one independent unit.
    """

    tolerance: float
    risk_probability: float = 0.05
    loss: Loss = "disagreement"
    most_excess: float = 1.0
    windows_per_unit: int = 1

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise unknown_name("loss of leaving early", self.loss, LOSSES)
        if not 0 < self.most_excess < math.inf:
            raise InputError(f"most_excess={self.most_excess!r} is not a number of bits per byte")
        for name, most in (("tolerance", self.most_loss), ("risk_probability", 1.0)):
            if not 0 < getattr(self, name) < most:
                raise InputError(f"{name}={getattr(self, name)!r} is not between 0 and {most:g}")
        if self.windows_per_unit < 1:
            raise InputError(f"windows_per_unit={self.windows_per_unit!r} is less than one")

    @property
    def most_loss(self) -> float:
        """The highest loss that a unit can have."""
        return 1.0 if self.loss == "disagreement" else self.most_excess


@dataclass(frozen=True)
class Calibration:
    """A threshold chosen on the calibration part, and what came of it on the test part.

    With a chance of at least 1 - `limit.risk_probability` the true risk at `threshold` is at most
    `limit.tolerance`; `risk` is what `units` units of the calibration part showed and `test_risk`
    those of the test part.
    """

    criterion: str
    decay: float
    limit: RiskLimit
    threshold: float
    units: int
    risk: float
    test_risk: float
    chosen: ExitOutcome
    test: ExitOutcome

    @property
    def kept(self) -> bool:
        """Whether the test part's risk is within the tolerance too."""
        return self.test_risk <= self.limit.tolerance


def calibrate(
    calibration: ExitTrace,
    test: ExitTrace,
    criterion: str,
    limit: RiskLimit,
    *,
    decay: float = 0.0,
) -> Calibration:
    """Return the threshold chosen on `calibration` and reported on `test`.

    Raises `InputError` for traces of one part or of different exits, and as `calibrated_threshold`.
    """
    if calibration.part == test.part:
        raise InputError(
            f"the threshold would be chosen and reported on the same {test.part} part; trace "
            "another"
        )
    if calibration.layers != test.layers:
        raise InputError(
            f"the traces have exits after {calibration.layers} and {test.layers} layers; trace one "
            "model twice"
        )
    threshold = calibrated_threshold(calibration, criterion, limit, decay=decay)
    losses, test_losses = (
        unit_losses(trace, criterion, [threshold], limit, decay) for trace in (calibration, test)
    )
    chosen, tested = (
        sweep(trace, criterion, [threshold], decay).at(0) for trace in (calibration, test)
    )
    return Calibration(
        criterion,
        decay,
        limit,
        threshold,
        losses.shape[1],
        float(losses.mean()),
        float(test_losses.mean()),
        chosen,
        tested,
    )


def calibrated_threshold(
    trace: ExitTrace, criterion: str, limit: RiskLimit, *, decay: float = 0.0
) -> float:
    """Return the lowest threshold of `threshold_grid` that passes, tested from 1 down.

    Raises `InputError` if the trace has too few units for any threshold to pass.
    """
    downwards = threshold_grid()[::-1]
    losses = unit_losses(trace, criterion, downwards, limit, decay) / limit.most_loss  # (t, u)
    tolerance, level = limit.tolerance / limit.most_loss, limit.risk_probability
    passed = passed_in_order(betting_p_values(losses, tolerance, level), level)
    if passed == 0:  # not even 1, at which nothing is ever lost
        raise InputError(
            f"{losses.shape[1]} units of text can't prove a loss of at most {limit.tolerance:g} "
            f"but for a chance of {level:g}, {losses_needed(tolerance, level)} could: take more "
            "text, or allow more"
        )
    return float(downwards[passed - 1])


def unit_losses(
    trace: ExitTrace, criterion: str, thresholds: ArrayLike, limit: RiskLimit, decay: float = 0.0
) -> Floats:
    """Return each unit's loss at each threshold, (t, u), in the loss's own unit."""
    _, window = np.unique(trace.window, return_inverse=True)
    unit = window // limit.windows_per_unit  # (n,)
    lost: NDArray[Any]
    whole: NDArray[Any]
    if limit.loss == "disagreement":
        lost, whole = 1.0 - trace.agrees, np.bincount(unit)
    else:
        nats = -trace.log_probability.astype(np.float64)
        lost, whole = nats - nats[:, -1:], math.log(2) * np.bincount(unit, trace.token_bytes)
    confidence = comparable_confidence(trace, criterion, decay)
    sums = _sums(lost, confidence, reachable(thresholds), unit)
    return np.clip(sums / whole, 0.0, limit.most_loss)


def _sums(
    lost: NDArray[Any],
    confidence: NDArray[np.float32],
    levels: NDArray[np.float32],
    unit: NDArray[np.intp],
) -> Floats:
    """Return what units lose at each of t levels, (t, u).

    `lost`, (n, E + 1), is what a token loses by leaving at each exit, 0 at the whole model. A token
    has left by an exit at all levels below its highest confidence so far, where it loses the
    difference to the next exit: differences are gathered by the number of such levels.
    """
    order = np.argsort(levels)
    n_levels, n_units = len(levels), int(unit.max()) + 1
    gathered = np.zeros((n_units, n_levels + 1))
    peaks = np.maximum.accumulate(confidence, axis=1)
    for exit_ in range(confidence.shape[1]):
        below = np.searchsorted(levels[order], peaks[:, exit_], side="left")  # (n,)
        difference = lost[:, exit_] - lost[:, exit_ + 1]
        cells = unit * (n_levels + 1) + below
        gathered += np.bincount(cells, difference, gathered.size).reshape(gathered.shape)
    # Level number i (from the lowest) is below the peak of those that have more than i below it.
    sums = np.empty((n_levels, n_units))
    sums[order] = np.cumsum(gathered[:, :0:-1], axis=1)[:, ::-1].T
    return sums
