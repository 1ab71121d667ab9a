"""The choice of a replacement for each block: exact, greedy and by chance, on the same scores.

Run: python tests/benchmarks/block_solver.py [--blocks 32] [--choices 8] [--seeds 5]
Prints losses and seconds of each, from one run; it never fails on time. Scores and limits are
invented (`tests/space/replacement_problems.py`): two limits, at a share of what the parent uses.
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

import scipy

sys.path.insert(0, str(Path(__file__).parent.parent / "space"))

from replacement_problems import invented

from nasviz.space.replacement.chance import by_chance
from nasviz.space.replacement.exact import solve
from nasviz.space.replacement.greedy import greedy

T = TypeVar("T")


def timed(act: Callable[[], T]) -> tuple[T, float]:
    """Return what `act` returns, and its seconds."""
    start = time.perf_counter()
    result = act()
    return result, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=32)
    parser.add_argument("--choices", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1000)
    given = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; scipy {scipy.__version__}, python {platform.python_version()}; "
        f"{given.blocks} blocks × {given.choices} choices, two limits"
    )
    solve(invented(0, 0.5, 3, 3))  # SciPy loads
    print("limit, seed: exact; greedy and the best and the mean of chance, in times the exact loss")
    seconds: list[float] = []
    gaps: list[float] = []
    for share in (0.3, 0.5, 0.7):
        for seed in range(given.seeds):
            problem = invented(seed, share, given.blocks, given.choices)
            exact, exact_s = timed(lambda: solve(problem))  # noqa: B023 (called here)
            stepwise, greedy_s = timed(lambda: greedy(problem))  # noqa: B023
            chance, chance_s = timed(lambda: by_chance(problem, given.samples, seed))  # noqa: B023
            best = float(problem.loss(exact))
            steps = float("nan") if stepwise is None else float(problem.loss(stepwise)) / best
            samples = problem.loss(chance) / best
            print(
                f"{share:4.0%} {seed:2d}: {best:.4f} ({exact_s:.2f} s); {steps:.3f} "
                f"({greedy_s:.2f} s); {samples.min():.2f}, {samples.mean():.2f} ({chance_s:.2f} s)"
            )
            seconds.append(exact_s)
            gaps.append(steps)
    print(
        f"exact: {statistics.median(seconds):.2f} s (slowest {max(seconds):.2f}, n={len(seconds)})"
        f"; greedy comes to {statistics.median(gaps):.3f} times its loss (at most {max(gaps):.3f})"
    )


if __name__ == "__main__":
    main()
