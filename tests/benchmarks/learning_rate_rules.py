"""Each learning-rate rule at the corners of a space: losses over base rates, and its regret.

Run: python tests/benchmarks/learning_rate_rules.py TEXT [--tokens N] [--depths 1 8]
     [--widths 64 256] [--factors 0.5 1 2] [--seeds 0] [--load FILE …]

Every run is the default recipe on bytes of the training part, looked at on a slice of the
training part. A rule's regret at a corner is its bits per byte at a base rate shared by all
corners, minus the least that any rule and rate reached there. Each run is a line of JSON on
standard output, which `--load` reads back, so that corners can be run one at a time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import get_args

import torch
from bare_loop import bare_steps, byte_job

from nasviz.quality.bits import bits_per_byte
from nasviz.space.architecture import Architecture
from nasviz.training.learning_rate import MUON_RATE, MUON_VECTOR_RATE, by_role, multipliers
from nasviz.training.loop import first_model
from nasviz.training.plan import RuleName, TrainingPlan
from nasviz.training.sample import sample_nats, spread_sample

RULES: tuple[RuleName, ...] = get_args(RuleName)
Corner = tuple[int, int]


def trained_bits(
    text: Path, corner: Corner, rule: RuleName, factor: float, tokens: int, seed: int
) -> float:
    """Return what one run comes to on the slice of the training part that it has not seen.

    The head is untied: with a tied one "width" is "standard", since Muon's rates don't change.
    """
    architecture = Architecture(
        corner[0], corner[1], 4, vocab_size=256, context_length=64, tied_embeddings=False
    )
    plan = TrainingPlan(tokens=tokens, learning_rate_rule=rule, seed=seed)
    job = byte_job(text, architecture, plan)
    width, depth = multipliers(architecture, rule)
    rates = by_role(
        rule, "muon", MUON_RATE * factor, MUON_VECTOR_RATE * factor, width=width, depth=depth
    )
    model = first_model(job)
    for _ in bare_steps(job, model, rates):
        pass
    model.eval()
    sample = spread_sample(job.held_out, job.token_bytes, architecture.context_length)
    return bits_per_byte(sample_nats(model, sample, 16, torch.device("cpu")), sample.n_bytes)


def print_table(runs: list[dict]) -> None:
    """Print mean bits per byte by corner, rule and factor, and the regret of each rule."""
    seen = defaultdict(list)
    for run in runs:
        seen[run["depth"], run["width"], run["rule"], run["factor"]].append(run["bits_per_byte"])
    losses = {key: mean(values) for key, values in seen.items()}
    corners = sorted({key[:2] for key in losses})
    factors = sorted({key[3] for key in losses})
    best = {
        corner: min(loss for key, loss in losses.items() if key[:2] == corner) for corner in corners
    }
    print(f"{'layers × width':16}{'rule':14}" + "".join(f"{f'×{f:g}':>9}" for f in factors))
    for corner in corners:
        for rule in RULES:
            row = "".join(f"{losses[(*corner, rule, factor)]:9.3f}" for factor in factors)
            print(f"{f'{corner[0]} × {corner[1]}':16}{rule:14}{row}")
    print("\nregret in bits per byte: mean (largest) over corners, at each shared base rate")
    for rule in RULES:
        cells = []
        for factor in factors:
            regrets = [losses[(*corner, rule, factor)] - best[corner] for corner in corners]
            cells.append(f"×{factor:g}: {mean(regrets):.3f} ({max(regrets):.3f})")
        print(f"{rule:14}" + "   ".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--depths", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--widths", type=int, nargs="*", default=[64, 256])
    parser.add_argument("--factors", type=float, nargs="*", default=[0.25, 0.5, 1, 2, 4])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--load", type=Path, nargs="*", default=[])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    runs = [json.loads(line) for file in chosen.load for line in file.read_text().splitlines()]
    for depth, width in [(d, w) for d in chosen.depths for w in chosen.widths]:
        for seed in chosen.seeds:
            for factor in chosen.factors:
                for rule in RULES:
                    began = time.perf_counter()
                    found = trained_bits(
                        chosen.text, (depth, width), rule, factor, chosen.tokens, seed
                    )
                    run = {
                        "depth": depth, "width": width, "rule": rule, "factor": factor,
                        "seed": seed, "tokens": chosen.tokens, "bits_per_byte": found,
                        "seconds": round(time.perf_counter() - began, 1),
                    }  # fmt: skip
                    runs.append(run)
                    print(json.dumps(run), flush=True)
    print_table(runs)


if __name__ == "__main__":
    main()
