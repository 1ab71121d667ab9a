"""A million candidates' costs against torch's FLOP counter asked one candidate at a time.

Run: python tests/benchmarks/cost_speed.py [--count 1000000] [--space laptop]
Prints seconds and the ratio a candidate, both from one run; it never fails on time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.columns import COST_COLUMNS, cost_columns
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.model.cache import KVCache
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.search_space import SearchSpace


def asked_of_torch(architecture: Architecture, workload: Workload) -> tuple[int, int]:
    """Return prefill and decode FLOPs as torch counts them on the meta device."""
    with torch.device("meta"), torch.inference_mode():
        model = Transformer(architecture).eval()
        cache = KVCache(architecture, device="meta")
        tokens = torch.zeros((1, workload.prompt_tokens), dtype=torch.long)
        with FlopCounterMode(display=False) as prefill:
            model.prefill(tokens, cache)
        with FlopCounterMode(display=False) as decode:
            model.decode(tokens[:, 0], cache)
    return prefill.get_total_flops(), decode.get_total_flops()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--space", default="laptop")
    parser.add_argument("--hardware", default="laptop-cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--asked", type=int, default=30, help="candidates that torch is asked")
    given = parser.parse_args()

    table = SearchSpace.named(given.space).sample(given.count, seed=0)
    workload = Workload(prompt_tokens=32, generated_tokens=1)
    columns = cost_columns(workload, Hardware.named(given.hardware))
    columns(table.take(np.arange(1000)))
    wall, busy = [], []
    for _ in range(given.rounds):
        start = time.perf_counter(), time.process_time()
        found = columns(table)
        wall.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])

    each = []
    for row in range(given.asked):
        architecture = table.row(row).architecture
        start_s = time.perf_counter()
        prefill, decode = asked_of_torch(architecture, workload)
        each.append(time.perf_counter() - start_s)
        assert found["flops_prefill"][row] == prefill
        assert found["flops_decode_per_token"][row] == decode

    ours = statistics.median(wall) / given.count
    theirs = statistics.median(each)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; numpy {np.__version__}, torch {torch.__version__}, python "
        f"{platform.python_version()}; {given.space}, {given.hardware}"
    )
    print(
        f"nasviz: all {len(COST_COLUMNS)} columns of {given.count:,} candidates in "
        f"{statistics.median(wall):.3f} s (fastest {min(wall):.3f}, slowest {max(wall):.3f}, "
        f"n={given.rounds}), {statistics.median(busy):.3f} s of processor time; "
        f"{ours * 1e6:.2f} µs a candidate"
    )
    print(
        f"torch's counter: {theirs * 1e3:.1f} ms a candidate, two of the figures only (fastest "
        f"{min(each) * 1e3:.1f}, slowest {max(each) * 1e3:.1f}, n={given.asked}); the same counts"
    )
    print(f"ratio: {theirs / ours:,.0f} times")


if __name__ == "__main__":
    main()
