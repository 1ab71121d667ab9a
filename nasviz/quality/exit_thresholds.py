"""A threshold for each exit: where the same quality can be had with fewer layers.

First nats + price × layers is made as low as it gets, over thresholds of a grid: at the lowest all
exits trade quality for depth at the same rate, the price. A higher price makes tokens leave
earlier, so the one that just keeps to the wanted quality is found by halving. Then what is left of
the quality allowed is spent where it saves most layers. Both go exit by exit, each time to the best
of all its thresholds given the others', until none moves: a local optimum. The common threshold of
fewest layers is where it begins, and what it ends with is never worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
_HALVINGS = 10


def per_exit_thresholds(
    trace: ExitTrace, criterion: str, most_bits_per_byte: float, *, decay: float = 0.0
) -> tuple[float, ...]:
    """Return a threshold an exit, (E,), with few layers at no more than those bits per byte.

    On `trace` they are never worse than the best common threshold of `threshold_grid`. They fit
    the text they were chosen on and come with no guarantee: report another part. Raises
    `InputError` if no common threshold keeps to the quality.
    """
    grid = threshold_grid()
    swept = exit_curve(trace, criterion, decay).at(grid)
    choice = _Choice.of(trace, comparable_confidence(trace, criterion, decay), grid)
    # Sums are rounded: a little less is allowed than is.
    most_nats = most_bits_per_byte / float(bits_per_byte(1.0, trace.n_bytes)) * (1 - 1e-12)
    nats = swept.bits_per_byte / float(bits_per_byte(1.0, trace.n_bytes))
    layers = swept.average_layers * trace.n_tokens
    best = found = np.full(trace.n_exits, swept.cheapest(most_bits_per_byte))
    low, high = _PRICES
    for _ in range(_HALVINGS):
        price = (low * high) ** 0.5
        common = np.full(trace.n_exits, np.argmin(nats + price * layers))
        found = choice.settled(choice.cheaper(common, found, price), price)
        found_nats, found_layers = choice.totals(found)
        if found_nats > most_nats:
            high = price
            continue
        low = price
        if found_layers < choice.totals(best)[1]:
            best = found
    return tuple(grid[choice.filled(best, most_nats)].tolist())


@dataclass(frozen=True, eq=False)
class _Choice:
    """What there is to choose from. A choice is a place on the grid for each exit, (E,).

    values: nats and layers of a token that leaves at each exit, (2, E + 1, n).
    below: how many of the t grid thresholds each confidence is above, (E, n): a token leaves at
    the first exit where these are more than the place.
    """

    values: Floats
    below: Places
    n_thresholds: int

    @classmethod
    def of(cls, trace: ExitTrace, confidence: NDArray[np.float32], grid: Floats) -> _Choice:
        nats = -trace.log_probability.T.astype(np.float64)
        layers = np.broadcast_to(np.asarray(trace.layers, float)[:, None], nats.shape)
        below = np.searchsorted(reachable(grid), confidence.T, side="left")
        return cls(np.stack([nats, layers]), below, len(grid))

    def totals(self, places: Places) -> Floats:
        """Return nats and layers of all tokens, (2,)."""
        total: Floats = self._from(0, places, slice(None)).sum(axis=1)
        return total

    def cheaper(self, one: Places, other: Places, price: float) -> Places:
        """Return which of two choices has the lower nats + price × layers."""
        ours, theirs = (float(self.totals(each) @ [1, price]) for each in (one, other))
        return one if ours <= theirs else other

    def changes(self, places: Places, exit_: int) -> Floats:
        """Return how nats and layers change if one exit moves to each of the places, (2, t)."""
        passed = self.below[:exit_] <= places[:exit_, None]
        rows = np.flatnonzero(passed.all(axis=0))
        gains = self.values[:, exit_, rows] - self._from(exit_ + 1, places, rows)  # (2, m)
        cells = self.below[exit_, rows]
        gathered = np.stack([np.bincount(cells, gain, self.n_thresholds + 1) for gain in gains])
        # At place i all those leave here that have more than i thresholds below them.
        sums = np.cumsum(gathered[:, :0:-1], axis=1)[:, ::-1]
        return np.asarray(sums - sums[:, places[exit_], None], dtype=np.float64)

    def _from(self, exit_: int, places: Places, rows: Any) -> Floats:
        """Return nats and layers of `rows` of tokens that come as far as an exit, (2, m)."""
        found = self.values[:, -1, rows]
        for each in reversed(range(exit_, len(places))):
            goes = self.below[each, rows] > places[each]
            found = np.where(goes, self.values[:, each, rows], found)
        return found

    def settled(self, places: Places, price: float) -> Places:
        """Return places from which no exit alone lowers nats + price × layers."""
        found, moved = places.copy(), True
        while moved:
            moved = False
            for exit_ in reversed(range(len(found))):
                nats, layers = self.changes(found, exit_)
                costs = nats + price * layers
                best = int(np.argmin(costs))
                if costs[best] < -1e-9:  # less is rounding
                    found[exit_], moved = best, True
        return found

    def filled(self, places: Places, most_nats: float) -> Places:
        """Return places from which no exit alone saves a layer within `most_nats`."""
        found, moved = places.copy(), True
        spare = most_nats - self.totals(found)[0]
        while moved:
            moved = False
            for exit_ in reversed(range(len(found))):
                nats, layers = self.changes(found, exit_)
                fitting = np.where(nats <= spare, layers, np.inf)
                best = int(np.argmin(fitting))
                if fitting[best] < 0:
                    found[exit_], moved = best, True
                    spare -= nats[best]
        return found
