"""A step of DeepSpeed's engine (ZeRO stage 0) beside a step of a plain loop of the same recipe.

Run: python tests/benchmarks/engine_overhead.py TEXT [--steps N] [--threads N]

Both train the same model from the same weights on the same batches in one process, a step here
and a step there in turn. The engine's step is the trainer's whole step: reading the batch, asking
for commands and reporting included. Beside the wall clock the process's own time is counted, which
other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from bare_loop import bare_steps, byte_job

from nasviz.execution.results import versions
from nasviz.space.architecture import Architecture
from nasviz.training.loop import first_model, run
from nasviz.training.plan import TrainingPlan
from nasviz.training.progress import Command
from nasviz.training.trainer import device_name

ARCHITECTURE = Architecture(4, 128, 4, vocab_size=256, context_length=64)
WARM_UP = 5


def clocks() -> np.ndarray:
    """Return wall and processor seconds, (2,)."""
    return np.array([time.perf_counter(), time.process_time()])


def paired_steps(text: Path, steps: int, threads: int) -> dict[str, object]:
    """Return the clocks of each step of both, (n, 2), and the loss of both at the end."""
    plan = TrainingPlan(
        steps=steps, batch_size=32, precision="fp32", evaluation_every=steps + 1, threads=threads
    )
    job = byte_job(text, ARCHITECTURE, plan)
    losses, bare, engine = [], [], []  # pairs of (wall, processor) seconds
    plain = bare_steps(job, first_model(job), job.recipe.rates)
    left = None

    def control() -> Command:
        # Called before every step of the engine: its own step is what passed since we left.
        nonlocal left
        came = clocks()
        if left is not None:
            engine.append(came - left)
        loss = next(plain, None)
        if loss is not None:
            bare.append(clocks() - came)
            losses.append(loss)
        left = clocks()
        return "go"

    reported = []
    with tempfile.TemporaryDirectory() as folder:
        run(
            replace(job, directory=Path(folder)),
            first_model(job),
            lambda progress: reported.append(progress.loss),
            control,
        )
    # The last step of the engine also looks at the sample.
    return {
        "bare": np.array(bare[WARM_UP : steps - 1]),
        "engine": np.array(engine[WARM_UP : steps - 1]),
        "last_losses": [losses[-1], reported[-1]],
    }


def compared(bare: np.ndarray, engine: np.ndarray) -> dict[str, object]:
    """Return both medians in ms, their ratio, and the quartiles of the steps' own ratios."""
    plain, ours = np.median(bare), np.median(engine)
    return {
        "bare_median_ms": round(1e3 * plain, 2),
        "engine_median_ms": round(1e3 * ours, 2),
        "ratio": round(ours / plain, 4),
        "quartiles_of_ratios": np.quantile(engine / bare, [0.25, 0.5, 0.75]).round(3).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    found = paired_steps(chosen.text, chosen.steps, chosen.threads)
    bare, engine = found["bare"], found["engine"]
    print(
        json.dumps(
            {
                "wall": compared(bare[:, 0], engine[:, 0]),
                "processor": compared(bare[:, 1], engine[:, 1]),
                "n": len(bare),
                "last_losses_bare_engine": found["last_losses"],
                "threads": chosen.threads,
                "load": os.getloadavg()[0],
                "device": device_name(),
                "versions": versions() | {"torch": torch.__version__},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
