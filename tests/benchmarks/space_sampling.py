"""Drawing candidates as columns against drawing them one by one with rejection.

    python tests/benchmarks/space_sampling.py

Both sides draw uniformly from the `laptop` space; the one-by-one side picks each size at random,
builds an `Architecture` and tries again where the sizes don't fit.
"""

from __future__ import annotations

import platform
import random
import statistics
import time
from collections.abc import Callable

import numpy as np

from nasviz import __version__
from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.ff_ratio import d_ff_of
from nasviz.space.search_space import SearchSpace

ROUNDS = 7
N_SINGLE = 2_000


def one_by_one(space: SearchSpace, n: int) -> list[Architecture]:
    """Return `n` architectures, each drawn and checked by itself."""
    drawn: list[Architecture] = []
    grids = {each.name: each.grid.tolist() for each in space.dimensions if each.grid is not None}
    generator = random.Random(0)
    while len(drawn) < n:
        sizes = {name: generator.choice(grid) for name, grid in grids.items()}
        sizes["d_ff"] = int(d_ff_of(sizes.pop("ff_ratio"), sizes["d_model"]))
        try:
            drawn.append(Architecture(**{**space.base, **sizes}))
        except InputError:
            continue
    return drawn


def seconds_of(act: Callable[[], object]) -> list[float]:
    """Return the wall time of each of some rounds, after one to warm up."""
    act()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        act()
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    """Print both sides per candidate, their ratio and spread."""
    space = SearchSpace.laptop()
    print(f"nasviz {__version__}, numpy {np.__version__}, Python {platform.python_version()}, "
          f"{platform.machine()}; {ROUNDS} rounds, median (least … most)")  # fmt: skip
    single = seconds_of(lambda: one_by_one(space, N_SINGLE))
    print(_line("one by one", N_SINGLE, single))
    for n in (20_000, 1_000_000):
        columns = seconds_of(lambda n=n: space.sample(n))
        ratio = (statistics.median(single) / N_SINGLE) / (statistics.median(columns) / n)
        print(f"{_line('columns', n, columns)}   ratio {ratio:,.0f}")


def _line(name: str, n: int, seconds: list[float]) -> str:
    middle, low, high = statistics.median(seconds), min(seconds), max(seconds)
    return (
        f"{name:<12} n={n:>9,}  {middle * 1e3:8.1f} ms ({low * 1e3:.1f} … {high * 1e3:.1f})  "
        f"{middle / n * 1e9:9.0f} ns a candidate"
    )


if __name__ == "__main__":
    main()
