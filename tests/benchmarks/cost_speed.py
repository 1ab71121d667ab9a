"""A million candidates' costs against torch's FLOP counter asked one candidate at a time.

Run: python tests/benchmarks/cost_speed.py [--count 1000000] [--space laptop]
Prints seconds and the ratio a candidate, both from one run; it never fails on time. Ours are timed
on a published profile and on this machine's calibrated one (calibrated first where it isn't yet:
20 s), which reads its measured tables for every candidate.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.calibrated import load_calibrated
from nasviz.cost.columns import COST_COLUMNS, cost_columns
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.model.cache import KVCache
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import CandidateTable


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


@dataclass(frozen=True)
class Timed:
    """Seconds of all columns on one profile, by the wall and of the processor, and the columns."""

    wall: list[float]
    busy: list[float]
    found: dict[str, np.ndarray]


def timed(table: CandidateTable, workload: Workload, hardware: Hardware, rounds: int) -> Timed:
    columns = cost_columns(workload, hardware)
    columns(table.take(np.arange(1000)))
    wall, busy = [], []
    for _ in range(rounds):
        start = time.perf_counter(), time.process_time()
        found = columns(table)
        wall.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])
    return Timed(wall, busy, found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--space", default="laptop")
    parser.add_argument("--hardware", default="laptop-cpu", help="the published profile")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--asked", type=int, default=30, help="candidates that torch is asked")
    given = parser.parse_args()

    table = SearchSpace.named(given.space).sample(given.count, seed=0)
    workload = Workload(prompt_tokens=32, generated_tokens=1)
    calibrated = load_calibrated() or Hardware.calibrate()
    profiles = (Hardware.named(given.hardware), calibrated)
    ours = [timed(table, workload, hardware, given.rounds) for hardware in profiles]
    found = ours[0].found

    each = []
    for row in range(given.asked):
        architecture = table.row(row).architecture
        start_s = time.perf_counter()
        prefill, decode = asked_of_torch(architecture, workload)
        each.append(time.perf_counter() - start_s)
        assert found["flops_prefill"][row] == prefill
        assert found["flops_decode_per_token"][row] == decode

    theirs = statistics.median(each)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; numpy {np.__version__}, torch {torch.__version__}, python "
        f"{platform.python_version()}; {given.space}"
    )
    print(
        f"torch's counter: {theirs * 1e3:.1f} ms a candidate, two of the figures only (fastest "
        f"{min(each) * 1e3:.1f}, slowest {max(each) * 1e3:.1f}, n={given.asked}); the same counts"
    )
    for hardware, run in zip(profiles, ours, strict=True):
        median = statistics.median(run.wall)
        print(
            f"nasviz, {hardware.name}: all {len(COST_COLUMNS)} columns of {given.count:,} "
            f"candidates in {median:.3f} s (fastest {min(run.wall):.3f}, slowest "
            f"{max(run.wall):.3f}, n={given.rounds}), {statistics.median(run.busy):.3f} s of "
            f"processor time; ratio {theirs / (median / given.count):,.0f} times"
        )


if __name__ == "__main__":
    main()
