"""How long a warm worker takes from `study.add` to the first step's row in the store.

Run: python tests/benchmarks/second_trial_start.py [TRIALS]
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.execution.results import versions
from nasviz.execution.worker import ensure_worker, stop_worker


def main(trials: int) -> None:
    candidate = Candidate(
        Architecture(n_layers=2, d_model=64, n_heads=2, vocab_size=256, context_length=64)
    )
    plan = TrainingPlan(steps=30)
    waits = []
    with tempfile.TemporaryDirectory() as folder:
        study = Study.open(Path(folder) / "bench.db")
        for index in range(trials + 1):
            began = time.perf_counter()
            trial = study.add(candidate, plan.with_(seed=index))
            if index == 0:
                ensure_worker(study)
            while not len(study.curve(trial.number)["step"]):
                time.sleep(0.002)
            waits.append(time.perf_counter() - began)
            while not study.trial(trial.number).finished:
                time.sleep(0.05)
        stop_worker(study)
    first, warm = waits[0], waits[1:]
    print(
        json.dumps(
            {
                "first_trial_cold_s": round(first, 3),
                "warm_median_s": round(statistics.median(warm), 3),
                "warm_least_s": round(min(warm), 3),
                "warm_most_s": round(max(warm), 3),
                "n": len(warm),
                "load": os.getloadavg()[0],
                "versions": versions(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
