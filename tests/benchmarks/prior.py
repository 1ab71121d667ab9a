"""Time the prior of quality: all candidates at once against one at a time.

Run it alone on a quiet machine: `python tests/benchmarks/prior.py`. It prints and judges nothing.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import numpy as np

from nasviz.quality.features import features
from nasviz.quality.prior import published
from nasviz.space.table import CandidateTable

ROWS, SINGLE_ROWS, REPEATS, TRIALS = 1_000_000, 300, 7, 40


def sampled(n: int, seed: int) -> CandidateTable:
    """Return `n` candidates that vary in all five sizes."""
    rng = np.random.default_rng(seed)
    return CandidateTable.from_columns(
        {
            "n_layers": rng.integers(1, 25, n),
            "d_model": 32 * rng.integers(1, 33, n),
            "n_heads": rng.integers(1, 17, n),
            "vocab_size": 2 ** rng.integers(8, 16, n),
            "context_length": 2 ** rng.integers(4, 11, n),
        }
    )


def milliseconds(act: Callable[[], object]) -> list[float]:
    """Return how long each of `REPEATS` acts took, after one that warms up."""
    act()
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        act()
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def main() -> None:
    """Print both sides, the ratio, the spread and the versions."""
    table, few = sampled(ROWS, 0), sampled(SINGLE_ROWS, 1)
    trials = sampled(TRIALS, 2)
    weights = 12 * table["n_layers"] * table["d_model"] ** 2
    few_weights = 12 * few["n_layers"] * few["d_model"] ** 2
    known = features(trials, 12 * trials["n_layers"] * trials["d_model"] ** 2, 5e6)
    prior = published().anchored(known, np.linspace(3, 2, TRIALS))

    def at_once() -> None:
        prior.predict(features(table, weights, 5e6))

    def one_by_one() -> None:
        for row in range(SINGLE_ROWS):
            prior.predict(features(few.take([row]), few_weights[row], 5e6))

    print(f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}")
    ours = milliseconds(at_once)
    single = [each * ROWS / SINGLE_ROWS for each in milliseconds(one_by_one)]
    for name, taken in (("at once", ours), ("one by one (scaled up)", single)):
        print(
            f"{ROWS:,} candidates {name}: median {statistics.median(taken):,.0f} ms, "
            f"{min(taken):,.0f} to {max(taken):,.0f} over {REPEATS}"
        )
    print(f"ratio {statistics.median(single) / statistics.median(ours):,.0f}")
    anchoring = milliseconds(lambda: published().anchored(known, np.linspace(3, 2, TRIALS)))
    print(f"anchoring on {TRIALS} trials: median {statistics.median(anchoring):.2f} ms")


if __name__ == "__main__":
    main()
