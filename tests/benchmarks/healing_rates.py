"""At which share of the usual learning rate a pruned model heals best.

Run: python tests/benchmarks/healing_rates.py [--study rates.db] [--seeds 100 101] [--tokens 250000]
     [--healing-tokens 25000 100000] [--heal distill] [--shares 1 0.5 0.3 0.2 0.1]
     [--importance usual magnitude]

For each seed a parent of `nasviz compare-roads` learns, is cut to each of that comparison's targets
by the usual importance and by magnitude, and is healed at each share and at the one that follows
from what the cut cost (`rate_share`). Printed: bits per byte of a sample of the search part
(nothing of the test part is read for this choice) as the model was cut and as each share left it,
and over all rows how far each share is from its row's best, on average.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np

import nasviz
from nasviz.space.pruning import by_method
from nasviz.strategies.roads.settings import PARENT
from nasviz.strategies.roads.targets import USUAL, targets_of
from nasviz.study.study import Study
from nasviz.training.healing import gentle_plan
from nasviz.training.plan import TrainingPlan


def main() -> None:
    """Train, cut, heal and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="rates.db")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101])
    parser.add_argument("--tokens", type=int, default=250_000)
    parser.add_argument("--healing-tokens", type=int, nargs="+", default=[25_000, 100_000])
    parser.add_argument("--heal", nargs="+", default=["distill"])
    parser.add_argument("--shares", type=float, nargs="+", default=[1, 0.5, 0.3, 0.2, 0.1])
    parser.add_argument("--importance", nargs="+", default=["usual", "magnitude"])
    asked = parser.parse_args()
    study = Study.open(asked.study, "rates")
    behind = []
    print("bits per byte of the search part, cut and healed at", *asked.shares, "and by the rise")
    for seed in asked.seeds:
        plan = TrainingPlan(tokens=asked.tokens, seed=seed, threads=1, measured="quality")
        parent = nasviz.train(PARENT, plan, study=study).number
        cuts = product(asked.healing_tokens, asked.heal, asked.importance, targets_of(PARENT))
        for tokens, way, importance, target in cuts:
            pruning = by_method(USUAL if importance == "usual" else importance, seed=seed)
            budget = plan.with_(tokens=tokens)
            plans = [*(gentle_plan(budget, share) for share in asked.shares), budget]
            trials = [
                nasviz.prune(
                    parent, targets_of(PARENT)[target], each, pruning=pruning, heal=way, study=study
                )
                for each in plans
            ]
            row = [reached(study, trial.number) for trial in trials]
            behind.append(np.array(row) - min(row))
            cut = trials[0].result["pruned"]["curve_bits_per_byte"]
            figures = " ".join(f"{each:.3f}" for each in row)
            print(
                f"{seed} {tokens:>7,} {way:<9} {importance:<9} {target:<26} {cut:.3f}  {figures}",
                flush=True,
            )
    print("behind the best, mean:", " ".join(f"{each:.3f}" for each in np.mean(behind, axis=0)))


def reached(study: Study, number: int) -> float:
    """Return the last bits per byte of a trial's learning curve."""
    bits = study.curve(number)["bits_per_byte"]
    return float(bits[np.isfinite(bits)][-1])


if __name__ == "__main__":
    main()
