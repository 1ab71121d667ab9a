"""Predicted against measured latency on this machine, over fresh random candidates.

Run: python tests/benchmarks/latency_prediction.py [--count 30] [--seed N] [--threads N]
It calibrates first (or takes --profile FILE), then measures candidates that calibration never saw,
interleaved in rounds and warmed up, and prints both sides, the relative errors and the rank
correlation. It never fails on time.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

import numpy as np
import torch

from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.evaluation.latency import measure
from nasviz.space.architecture import Architecture
from nasviz.space.search_space import SearchSpace


def drawn(space: str, count: int, seed: int, most_weights: float) -> list[Architecture]:
    """Return so many candidates of a named space, no larger than `most_weights`."""
    table = SearchSpace.named(space).sample(20 * count, seed=seed)
    small = np.flatnonzero(estimate(table).parameters.total <= most_weights)[:count]
    return [table.row(int(row)).architecture for row in small]


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, without ties."""
    ranks = [np.argsort(np.argsort(each)) for each in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def report(label: str, predicted: np.ndarray, measured: np.ndarray) -> None:
    error = predicted / measured - 1
    low, middle, high = np.percentile(np.abs(error), [25, 50, 75])
    print(
        f"{label}: median relative error {middle:.1%} (quartiles {low:.1%} to {high:.1%}, worst "
        f"{np.abs(error).max():.1%}, bias {np.median(error):+.1%}), rank correlation "
        f"{rank_correlation(predicted, measured):.3f}, n={len(error)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=None, help="default: a fresh one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--most-weights", type=float, default=40e6, help="of the workstation's")
    parser.add_argument("--profile", type=Path, help="a calibration's JSON, instead of a new one")
    given = parser.parse_args()
    seed = np.random.SeedSequence().entropy % 10**6 if given.seed is None else given.seed

    if given.profile:
        hardware = Hardware.from_json(json.loads(given.profile.read_text()))
    else:
        hardware = Hardware.calibrate(threads=given.threads)
    threads = hardware.measured.threads
    architectures = drawn("laptop", (given.count + 1) // 2, seed, 1e12)
    architectures += drawn("workstation", given.count // 2, seed, given.most_weights)
    asked = Workload(
        prompt_tokens=given.prompt, generated_tokens=given.generate, precision=given.precision
    )
    print(
        f"seed {seed}; {platform.processor() or platform.machine()}; {hardware.label}; torch "
        f"{torch.__version__}; python {platform.python_version()}; prompt {given.prompt}, generate "
        f"{given.generate}, {given.precision}, {given.rounds} rounds"
    )
    # Contexts that are shorter than the prompt get as much of it as they hold: one group a length.
    workloads = [asked.fitted_to(each.context_length) for each in architectures]
    measured = {}
    for workload in sorted(set(workloads), key=lambda each: each.prompt_tokens):
        rows = [row for row, each in enumerate(workloads) if each == workload]
        chosen = [architectures[row] for row in rows]
        print(f"measuring {len(rows)} at prompt {workload.prompt_tokens}", file=sys.stderr)
        found = measure(chosen, workload, threads=threads, rounds=given.rounds)
        measured.update(zip(rows, found, strict=True))

    first, step = [], []
    print("layers width heads/kv   ff vocab  prompt | first ms: predicted measured | token ms: …")
    for row, (architecture, workload) in enumerate(zip(architectures, workloads, strict=True)):
        predicted = estimate(architecture, workload, hardware).latency
        found = measured[row]
        first.append((predicted.time_to_first_token_s, found.time_to_first_token_s))
        step.append((predicted.time_per_output_token_s, found.time_per_output_token_s))
        a = architecture
        print(
            f"{a.n_layers:6} {a.d_model:5} {a.n_heads:5}/{a.n_kv_heads:<3}{a.d_ff:5} "
            f"{a.vocab_size:5} {workload.prompt_tokens:7} | "
            f"{first[-1][0] * 1e3:9.2f} {first[-1][1] * 1e3:9.2f} "
            f"{first[-1][0] / first[-1][1] - 1:+7.1%} | "
            f"{step[-1][0] * 1e3:9.3f} {step[-1][1] * 1e3:9.3f} "
            f"{step[-1][0] / step[-1][1] - 1:+7.1%}"
        )
    report("time to first token  ", *np.array(first).T)
    report("time per output token", *np.array(step).T)


if __name__ == "__main__":
    main()
