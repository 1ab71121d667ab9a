"""A threshold for each exit: where the same quality can be had with fewer layers.

What is minimised is nats + price × layers, over thresholds of a grid. At the best of these all
exits trade quality for depth at the same rate, the price; a higher price makes tokens leave
earlier, so the price that just keeps to a wanted quality is found by halving. One exit's best
threshold, given the others', is exact: the sum of what each token gains by leaving there. Exits
take turns, from the last down, until none changes. That is coordinate descent, so it ends in a
local optimum; it begins at the best common threshold and never leaves it for a worse one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasviz.quality.bits import bits_per_byte
from nasviz.quality.exit_rule import comparable_confidence, reachable
from nasviz.quality.exit_sweep import exit_curve, threshold_grid
from nasviz.quality.exit_trace import ExitTrace

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

# Nats a layer is worth: from next to nothing to more than any token costs.
_PRICES = (1e-6, 1e2)
_HALVINGS = 18
_MOST_ROUNDS = 12


def per_exit_thresholds(
    trace: ExitTrace, criterion: str, most_bits_per_byte: float, *, decay: float = 0.0
) -> tuple[float, ...]:
    """Return a threshold an exit, (E,), with few layers at no more than those bits per byte.

    On `trace` they are never worse than the best common threshold; there is no guarantee beyond
    it, so report another part. Raises `InputError` if no common threshold keeps to the quality.
    """
    grid = threshold_grid()
    swept = exit_curve(trace, criterion, decay).at(grid)
    common = swept.cheapest(most_bits_per_byte)
    choice = _Choice.of(trace, comparable_confidence(trace, criterion, decay), grid)
    best = np.full(trace.n_exits, common)
    fewest = float(swept.average_layers[common])
    low, high = _PRICES
    for _ in range(_HALVINGS):
        price = (low * high) ** 0.5
        start = np.argmin(swept.bits_per_byte * choice.bits_worth + price * swept.average_layers)
        places = choice.improved(np.full(trace.n_exits, start), price)
        bits, layers = choice.come_to(places)
        if bits > most_bits_per_byte:
            high = price
            continue
        low = price
        if layers < fewest:
            best, fewest = places, layers
    return tuple(grid[best].tolist())


@dataclass(frozen=True, eq=False)
class _Choice:
    """Nats, (n, E + 1), and to how many of the t grid thresholds each confidence is above, (n, E).

    A choice of thresholds is their places on the grid, (E,): a token leaves at the first exit where
    more thresholds are below its confidence than the place says.
    """

    nats: Floats
    below: Places
    layers: Floats
    n_bytes: int
    n_thresholds: int

    @classmethod
    def of(cls, trace: ExitTrace, confidence: NDArray[np.float32], grid: Floats) -> _Choice:
        return cls(
            -trace.log_probability.astype(np.float64),
            np.searchsorted(reachable(grid), confidence, side="left"),
            np.asarray(trace.layers, float),
            trace.n_bytes,
            len(grid),
        )

    @property
    def bits_worth(self) -> float:
        """Nats a token for a bit per byte."""
        return float(1 / (bits_per_byte(1.0, self.n_bytes) * len(self.nats)))

    def come_to(self, places: Places) -> tuple[float, float]:
        """Return bits per byte and average layers."""
        goes = np.column_stack([self.below > places, np.ones(len(self.nats), bool)])
        left = goes.argmax(axis=1)
        nats = float(self.nats[np.arange(len(left)), left].sum())
        return float(bits_per_byte(nats, self.n_bytes)), float(self.layers[left].mean())

    def improved(self, places: Places, price: float) -> Places:
        """Return places from which no exit's threshold alone lowers nats + price × layers."""
        costs = self.nats + price * self.layers  # (n, E + 1)
        for _ in range(_MOST_ROUNDS):
            before, places = places, self._round(places, costs)
            if np.array_equal(before, places):
                break
        return places

    def _round(self, places: Places, costs: Floats) -> Places:
        """Return places after each exit, from the last down, took its best threshold."""
        found = places.copy()
        beyond = costs[:, -1]  # what a token costs that passes the exit
        for exit_ in reversed(range(len(places))):
            comes = (self.below[:, :exit_] <= found[:exit_]).all(axis=1)
            gain = np.where(comes, costs[:, exit_] - beyond, 0.0)
            gathered = np.bincount(self.below[:, exit_], gain, self.n_thresholds + 1)
            # At place i all those leave that have more than i thresholds below them.
            sums = np.cumsum(gathered[:0:-1])[::-1]
            # Of equal ones the highest; 1, the last, lets nobody go.
            found[exit_] = self.n_thresholds - 1 - int(np.argmin(sums[::-1]))
            beyond = np.where(self.below[:, exit_] > found[exit_], costs[:, exit_], beyond)
        return found
