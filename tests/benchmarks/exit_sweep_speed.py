"""How long the threshold slider's arithmetic takes, against leaving token by token.

Run: python tests/benchmarks/exit_sweep_speed.py [--tokens 100000] [--exits 8] [--thresholds 200]
Prints milliseconds, spread and the ratio, from one run; it never fails on time. Both sides answer
the same question of the same invented trace, and their answers are compared. The other side is
what one would write first: for each threshold, find every token's exit and add up.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "quality"))

from exit_traces import learned_trace

from nasviz.quality.exit_calibration import RiskLimit, calibrated_threshold
from nasviz.quality.exit_rule import leave, outcome
from nasviz.quality.exit_sweep import exit_curve, threshold_grid
from nasviz.quality.exit_thresholds import per_exit_thresholds
from nasviz.space.options.early_exit import EarlyExit

T = TypeVar("T")
CRITERION = "max_probability"


def timed(act: Callable[[], T], rounds: int) -> tuple[T, list[float]]:
    """Return what `act` returns, and the milliseconds of each round; the first is not counted."""
    result = act()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        taken.append((time.perf_counter() - start) * 1e3)
    return result, taken


def said(what: str, taken: list[float]) -> None:
    print(
        f"{what:<58} {statistics.median(taken):9.2f} ms (fastest {min(taken):.2f}, slowest "
        f"{max(taken):.2f}, n={len(taken)})"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--exits", type=int, default=8)
    parser.add_argument("--thresholds", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()

    trace = learned_trace(given.tokens, given.exits)
    grid = threshold_grid(given.thresholds)
    policy = EarlyExit(layers=trace.layers[:-1], threshold=float(grid[len(grid) // 2]))
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; numpy {np.__version__}, python {platform.python_version()}; "
        f"{given.tokens:,} tokens, {given.exits} exits, {given.thresholds} thresholds"
    )

    def one_by_one() -> list[float]:
        return [
            outcome(trace, leave(trace, EarlyExit(layers=trace.layers[:-1], threshold=each)))
            .bits_per_byte
            for each in grid.tolist()
        ]  # fmt: skip

    curve, built = timed(lambda: exit_curve(trace, CRITERION), given.rounds)
    swept, asked = timed(lambda: curve.at(grid), given.rounds)
    _, slid = timed(lambda: curve.at([policy.threshold]), given.rounds)
    _, left = timed(lambda: outcome(trace, leave(trace, policy)), given.rounds)
    slow, slowly = timed(one_by_one, 2)
    difference = float(np.abs(swept.bits_per_byte - slow).max())

    said("made ready, once a trace and criterion", built)
    said("all thresholds", asked)
    said("one threshold of the slider", slid)
    said("one threshold without the structure, each token's exit", left)
    said("all thresholds, one by one", slowly)
    ratio = statistics.median(slowly) / (statistics.median(built) + statistics.median(asked))
    print(
        f"ratio {ratio:,.0f} times, making ready included; bits per byte differ by {difference:.1e}"
    )

    limit = RiskLimit(0.1)
    said("calibrated", timed(lambda: calibrated_threshold(trace, CRITERION, limit), 3)[1])
    most = float(swept.bits_per_byte[-1]) * 1.01
    own, taken = timed(lambda: per_exit_thresholds(trace, CRITERION, most), 2)
    said("a threshold an exit", taken)
    layers = outcome(
        trace, leave(trace, EarlyExit(layers=trace.layers[:-1], thresholds=own))
    ).average_layers
    common = swept.at(swept.cheapest(most)).average_layers
    print(
        f"layers at +1% bits per byte of this trace: common {common:.3f}, one an exit {layers:.3f}"
    )


if __name__ == "__main__":
    main()
