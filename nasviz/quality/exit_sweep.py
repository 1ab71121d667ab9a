"""The exit sweep: quality and depth at any threshold, from one pass over text.

With one threshold for all exits a token has left by exit e exactly if the highest confidence among
exits 0 to e is above it. So for each exit the tokens are sorted once by that running maximum, and
what changes by leaving there rather than one exit later is summed up from the top; after that, any
threshold is answered by a binary search per exit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.errors import InputError
from nasviz.quality.bits import bits_per_byte
from nasviz.quality.exit_rule import ExitOutcome, comparable_confidence, reachable
from nasviz.quality.exit_trace import ExitTrace

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sweep:
    """What leaving early comes to at each of t thresholds; arrays (t,), shares (t, E + 1)."""

    criterion: str
    decay: float
    layers: tuple[int, ...]
    thresholds: Floats
    exit_shares: Floats
    bits_per_byte: Floats
    accuracy: Floats
    agreement: Floats

    @property
    def average_layers(self) -> Floats:
        """Layers that a token goes through, on average, (t,)."""
        depth: Floats = self.exit_shares @ np.asarray(self.layers, float)
        return depth

    def at(self, index: int) -> ExitOutcome:
        """Return the outcome at one of the thresholds."""
        return ExitOutcome(
            self.layers,
            tuple(self.exit_shares[index].tolist()),
            float(self.bits_per_byte[index]),
            float(self.accuracy[index]),
            float(self.agreement[index]),
        )

    def costs(self, price: Callable[[tuple[float, ...]], float]) -> Floats:
        """Return what `price` says of each threshold's exit shares (FLOPs, seconds), (t,)."""
        return np.array([price(tuple(shares)) for shares in self.exit_shares.tolist()])

    def cheapest(self, most_bits_per_byte: float) -> int:
        """Return the threshold (its index) of fewest layers that keeps to a quality.

        Of equal ones it is the highest. Raises `InputError` if no threshold keeps to it.
        """
        good = np.flatnonzero(self.bits_per_byte <= most_bits_per_byte)
        if not good.size:
            raise InputError(
                f"no threshold reaches {most_bits_per_byte:g} bits per byte; the best is "
                f"{self.bits_per_byte.min():.4f}"
            )
        order = np.lexsort((-self.thresholds[good], self.average_layers[good]))
        return int(good[order[0]])

    def deepest_within(self, layers: float) -> int:
        """Return the threshold (its index) of most layers that takes at most `layers` on average.

        Of equal ones it is the highest. Raises `InputError` if every threshold takes more.
        """
        depth = self.average_layers
        fits = np.flatnonzero(depth <= layers)
        if not fits.size:
            raise InputError(
                f"no threshold takes {layers:g} layers or fewer; the least is {depth.min():.2f}"
            )
        order = np.lexsort((-self.thresholds[fits], -depth[fits]))
        return int(fits[order[0]])


@dataclass(frozen=True, eq=False)
class ExitCurve:
    """A trace made ready to answer any threshold; built once by `exit_curve`.

    peaks: the running maxima of confidence, sorted, (E, n).
    gains: for each exit and number k, what is gained in (nats, right tokens, agreeing tokens) if
    all but its k lowest leave there at the latest, rather than one exit later, (3, E, n + 1).
    whole: nats, right and agreeing tokens of the whole model, (3,).
    """

    criterion: str
    decay: float
    layers: tuple[int, ...]
    n_bytes: int
    peaks: NDArray[np.float32]
    gains: Floats
    whole: Floats

    def at(self, thresholds: ArrayLike) -> Sweep:
        """Return the sweep at `thresholds`, (t,), each from 0 to 1."""
        given = np.atleast_1d(np.asarray(thresholds, float))
        n_exits, n_tokens = self.peaks.shape
        levels = reachable(given)
        stayed = np.stack(
            [np.searchsorted(peaks, levels, side="right") for peaks in self.peaks]
        )  # (E, t): tokens that have not left by then
        sums = self.whole[:, None] + sum(
            self.gains[:, exit_, stayed[exit_]] for exit_ in range(n_exits)
        )  # (3, t)
        reach = np.vstack([np.full((1, len(given)), n_tokens), stayed, np.zeros((1, len(given)))])
        return Sweep(
            self.criterion,
            self.decay,
            self.layers,
            given,
            (reach[:-1] - reach[1:]).T / n_tokens,
            bits_per_byte(sums[0], self.n_bytes),
            sums[1] / n_tokens,
            sums[2] / n_tokens,
        )


def exit_curve(trace: ExitTrace, criterion: str, decay: float = 0.0) -> ExitCurve:
    """Return the structure that answers every threshold on one criterion; O(E n log n) once."""
    values = values_by_exit(trace)
    peaks = np.maximum.accumulate(comparable_confidence(trace, criterion, decay), axis=1).T
    order = np.argsort(peaks, axis=1)  # (E, n)
    gains = np.zeros((len(values), trace.n_exits, trace.n_tokens + 1))
    for exit_, rows in enumerate(order):
        gain = values[:, rows, exit_] - values[:, rows, exit_ + 1]  # (3, n)
        gains[:, exit_, :-1] = np.cumsum(gain[:, ::-1], axis=1)[:, ::-1]
    return ExitCurve(
        criterion,
        decay,
        trace.layers,
        trace.n_bytes,
        np.take_along_axis(peaks, order, axis=1),
        gains,
        values[:, :, -1].sum(axis=1),
    )


def sweep(
    trace: ExitTrace, criterion: str, thresholds: ArrayLike | None = None, decay: float = 0.0
) -> Sweep:
    """Return quality and depth at each of `thresholds`, or at 200 from `threshold_grid`."""
    asked = threshold_grid() if thresholds is None else thresholds
    return exit_curve(trace, criterion, decay).at(asked)


def threshold_grid(count: int = 200) -> Floats:
    """Return thresholds from 0 to 1, (count,), ever denser towards both ends.

    Evenly spaced in log-odds: confidence of a trained model crowds near 1, and 0.99 and 0.999 are
    as unlike as 0.5 and 0.9. They depend on no data, so calibration may try them in order.
    """
    inner = 1 / (1 + np.exp(-np.linspace(-5, 10, count - 2)))
    return np.concatenate([[0.0], inner, [1.0]])


def values_by_exit(trace: ExitTrace) -> Floats:
    """Return nats, rightness and agreement of every token at every exit, (3, n, E + 1)."""
    return np.stack(
        [-trace.log_probability.astype(np.float64), trace.correct, trace.agrees], dtype=np.float64
    )
