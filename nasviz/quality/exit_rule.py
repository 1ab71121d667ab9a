"""Where tokens leave: an early-exit policy applied to a trace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.errors import InputError
from nasviz.quality.bits import bits_per_byte
from nasviz.quality.exit_trace import ExitTrace
from nasviz.space.options.early_exit import EarlyExit

# CALM's threshold along a text, λ'(t) = 0.9 λ + 0.1 exp(-τ t / N): Schuster et al. 2022,
# arXiv:2207.07061, equation 5.
_LEVEL, _DECAYING = 0.9, 0.1


@dataclass(frozen=True)
class ExitOutcome:
    """What leaving early comes to: quality of the scored text, and how deep its tokens went.

    exit_shares: share of tokens that left at each exit, the last at the whole model.
    accuracy: share of next tokens named rightly. agreement: share named as the whole model does.
    """

    layers: tuple[int, ...]
    exit_shares: tuple[float, ...]
    bits_per_byte: float
    accuracy: float
    agreement: float

    @property
    def average_layers(self) -> float:
        """Layers that a token goes through, on average."""
        return float(np.dot(self.exit_shares, self.layers))


def leave(trace: ExitTrace, option: EarlyExit) -> NDArray[np.intp]:
    """Return the exit at which each token leaves, (n,); `trace.n_exits` is the whole model.

    A token leaves at the first exit whose confidence is above its threshold; at threshold 1 nobody
    does. Raises `InputError` if the option's exits aren't those of the trace, or its criterion
    wasn't kept.
    """
    exits = option.exits(trace.layers[-1])
    if exits != trace.layers[:-1]:
        raise InputError(
            f"the policy has exits after layers {list(exits)} and the trace after "
            f"{list(trace.layers[:-1])}; measure the policy's, or take trace.with_exits"
        )
    confidence = comparable_confidence(trace, option.criterion, option.decay)
    return first_above(confidence, option.thresholds_of(trace.layers[-1]))


def comparable_confidence(
    trace: ExitTrace, criterion: str, decay: float = 0.0
) -> NDArray[np.float32]:
    """Return the confidence, (n, E), that is compared with a threshold λ as it stands.

    A threshold that falls along the text is turned round: a confidence c is above
    0.9 λ + 0.1 exp(-τ t / N) where (c - 0.1 exp(-τ t / N)) / 0.9 is above λ.
    """
    score = trace.score(criterion)
    if not decay:
        return score
    fallen = np.exp(-decay * trace.position / trace.context_length)  # (n,)
    raised = (score - _DECAYING * fallen[:, None]) / _LEVEL
    return raised.astype(np.float32)


def reachable(thresholds: ArrayLike) -> NDArray[np.float32]:
    """Return thresholds as they are compared: in float32, as models do, and 1 is above all."""
    levels = np.asarray(thresholds, float)
    if not np.all((levels >= 0) & (levels <= 1)):
        raise InputError(f"exit thresholds lie between 0 and 1, not at {thresholds!r}")
    return np.where(levels == 1, np.inf, levels).astype(np.float32)


def first_above(confidence: NDArray[np.float32], thresholds: ArrayLike) -> NDArray[np.intp]:
    """Return the first exit above its threshold, (n,), or E; confidence (n, E), thresholds (E,)."""
    n_tokens, n_exits = confidence.shape
    left = np.full(n_tokens, n_exits)
    levels = np.broadcast_to(reachable(thresholds), (n_exits,))
    for exit_ in reversed(range(n_exits)):
        left[confidence[:, exit_] > levels[exit_]] = exit_
    return left


def outcome(trace: ExitTrace, left: NDArray[np.intp]) -> ExitOutcome:
    """Return what it comes to if tokens leave at exits `left`, (n,)."""
    rows = np.arange(trace.n_tokens)
    nats = -trace.log_probability[rows, left].sum(dtype=np.float64)
    said = trace.likeliest[rows, left]
    counts = np.bincount(left, minlength=trace.n_exits + 1)
    return ExitOutcome(
        trace.layers,
        tuple((counts / trace.n_tokens).tolist()),
        float(bits_per_byte(nats, trace.n_bytes)),
        float((said == trace.target).mean()),
        float((said == trace.likeliest[:, -1]).mean()),
    )
