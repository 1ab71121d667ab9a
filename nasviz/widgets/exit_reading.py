"""`ExitReading`: what a trained trial's exits said of held-out text, ready for any threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from nasviz.corpus.adopted_tokenizer import load_tokenizer
from nasviz.cost.dynamic.observed import Observed
from nasviz.execution.results import TRACES
from nasviz.quality.exit_rule import comparable_confidence, first_above, leave
from nasviz.quality.exit_sweep import Sweep, exit_curve, threshold_grid
from nasviz.quality.exit_trace import ExitTrace
from nasviz.quality.exit_trace_file import load_exit_trace
from nasviz.space.candidate import Candidate
from nasviz.space.options.early_exit import Criterion, EarlyExit
from nasviz.study.trial import Trial

if TYPE_CHECKING:
    from nasviz.study.study import Study


@dataclass(frozen=True, eq=False)
class ExitAnswers:
    """The outcome of every threshold of the grid on one criterion, on both parts of the text.

    `confidence` of the test part is what a threshold is compared with, `(n, E)`.
    """

    calibration: Sweep
    test: Sweep
    confidence: NDArray[np.float32]

    def index_of(self, threshold: float) -> int:
        """Return the place on the grid that is nearest to a threshold."""
        return int(np.argmin(np.abs(self.test.thresholds - threshold)))

    def chosen_for(self, share: float) -> int:
        """Return the threshold (its place) of fewest layers that the calibration part allows.

        `share` is how much worse than the whole model it may be, in bits per byte: 0.01 for 1%.
        """
        whole = float(self.calibration.bits_per_byte[-1])
        return self.calibration.cheapest(whole * (1 + share))


@dataclass(frozen=True, eq=False)
class ExitReading:
    """A complete trial with its exits' traces by part of the text, and its tokens' bytes by id."""

    trial: Trial
    traces: Mapping[str, ExitTrace]
    pieces: tuple[bytes, ...]
    _answers: dict[str, ExitAnswers] = field(default_factory=dict)

    @property
    def option(self) -> EarlyExit:
        """The early exit that the trial was trained for and measured with."""
        return cast(EarlyExit, self.trial.candidate.inference.get(EarlyExit))

    @property
    def test(self) -> ExitTrace:
        """The trace of the part that is reported."""
        return self.traces["test"]

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The criteria that both traces kept, as the catalogue orders them."""
        known = next(each for each in EarlyExit.FIELDS if each.name == "criterion").choices
        kept = [set(map(str, trace.confidence)) for trace in self.traces.values()]
        return cast(
            tuple[Criterion, ...], tuple(each for each in known if all(each in k for k in kept))
        )

    def answers(self, criterion: str) -> ExitAnswers:
        """Return the outcome of every threshold on a criterion; made once, then at hand."""
        if criterion not in self._answers:
            grid, decay = threshold_grid(), self.option.decay
            calibration, test = (
                exit_curve(self.traces[part], criterion, decay).at(grid)
                for part in ("calibration", "test")
            )
            confidence = comparable_confidence(self.test, criterion, decay)
            self._answers[criterion] = ExitAnswers(calibration, test, confidence)
        return self._answers[criterion]

    def left(self, criterion: str, threshold: float, rows: range) -> NDArray[np.intp]:
        """Return the exit at which each test token of `rows` leaves, `(len(rows),)`."""
        confidence = self.answers(criterion).confidence[rows.start : rows.stop]
        return first_above(confidence, threshold)

    def observed(self, candidate: Candidate) -> Observed | None:
        """Return what the test part shows of a candidate's exits at its own thresholds.

        None where the trace says nothing of them: other exits, another criterion than those kept,
        or a policy that differs in something else as well.
        """
        option, own = candidate.inference.get(EarlyExit), self.trial.candidate
        if option is None or _backbone(candidate) != _backbone(own):
            return None
        if candidate.inference.without(EarlyExit) != own.inference.without(EarlyExit):
            return None
        if option.criterion not in self.criteria:
            return None
        counts = np.bincount(leave(self.test, option), minlength=len(self.test.layers))
        return Observed(exit_shares=tuple((counts / counts.sum()).tolist()))

    def piece_of(self, token: int) -> bytes:
        """Return the bytes of a token's id; a token that is not used has none."""
        return self.pieces[token] if token < len(self.pieces) else b""

    def with_threshold(self, criterion: Criterion, threshold: float) -> Candidate:
        """Return the trial's candidate with another criterion and threshold."""
        option = replace(self.option, criterion=criterion, threshold=threshold, thresholds=())
        candidate = self.trial.candidate
        return Candidate(candidate.architecture, candidate.inference.with_(option))


def read_exits(study: Study, trial: Trial) -> ExitReading:
    """Return a complete trial's exits; raises `InputError` where its files are not there."""
    folder = study.directory(trial.number)
    traces = {part: load_exit_trace(folder / name) for part, name in TRACES.items()}
    return ExitReading(trial, traces, load_tokenizer(folder).pieces)


def trial_with_exits(trials: tuple[Trial, ...], candidate: Candidate | None) -> Trial | None:
    """Return the latest complete trial whose exits say something of a candidate, or None.

    Its own, else one of the same model with the same exits: thresholds and criteria are chosen
    after training.
    """
    if candidate is None:
        return None
    traced = [each for each in reversed(trials) if has_exits(each)]
    own = [each for each in traced if each.candidate == candidate]
    kin = [each for each in traced if _backbone(each.candidate) == _backbone(candidate)]
    return next(iter([*own, *kin]), None)


def has_exits(trial: Trial) -> bool:
    """Whether a trial is complete and left traces of its exits."""
    return trial.state == "complete" and bool(trial.result.get("exit_sweep"))


def _backbone(candidate: Candidate) -> object:
    """Return what of a candidate is there before a threshold is chosen."""
    option = candidate.inference.get(EarlyExit)
    if option is None:
        return candidate.architecture, None
    exits = option.exits(candidate.architecture.n_layers)
    return candidate.architecture, exits, option.heads, option.skipped_layers
