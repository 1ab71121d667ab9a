"""What exit losses and layer dropout do for early exits, on real text.

Run: python tests/benchmarks/exit_training.py [--corpus python] [--layers 8] [--width 128]
     [--context 64] [--tokens 300000] [--seeds 0 1] [--bytes 30000] [--threads 2]

The same model learns from the same text without exit losses, with them, with layer dropout, and
with both (Elhoushi et al. 2024, LayerSkip, arXiv:2404.16710, trains with both). Printed for each
seed: bits per byte at every exit and at the end, and how many layers a token needs at one percent
more than the end's (one threshold on the likeliest token's probability, chosen on the calibration
part, all figures from the test part).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize
from nasviz.evaluation.exit_trace import trace_exits
from nasviz.model.checkpoint import load_checkpoint
from nasviz.quality.bits import bits_per_byte
from nasviz.quality.exit_sweep import sweep
from nasviz.quality.exit_trace import ExitTrace
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.training.plan import TrainingPlan
from nasviz.training.trainer import train_candidate

ALLOWED = 1.01
CRITERION = "max_probability"
# The weight of the exits' losses, and the chance that a sequence skips the last layer.
WAYS = {
    "neither": (0.0, 0.0),
    "layer dropout": (0.0, 0.2),
    "exit losses": (1.0, 0.0),
    "both": (1.0, 0.2),
}


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="python")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=300_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--bytes", type=int, default=30_000)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    text = tokenize(open_corpus(given.corpus), 256)
    sizes = Architecture(given.layers, given.width, max(2, given.width // 32), 256, given.context)
    option = EarlyExit(first=1, every=1)
    depths = [*option.exits(given.layers), given.layers]
    print(f"{sizes.title}, {given.tokens:,} tokens of {given.corpus}; bits per byte after layers")
    print(f"{'seed  taught with':22}{''.join(f'{depth:>8}' for depth in depths)}  layers at +1%")
    for seed in given.seeds:
        for name, (loss, dropout) in WAYS.items():
            plan = TrainingPlan(
                tokens=given.tokens,
                seed=seed,
                threads=given.threads,
                exit_loss=loss,
                layer_dropout=dropout,
            )
            calibration, test = traces(sizes, option, plan, text, given.bytes)
            bits = bits_per_byte(-test.log_probability.sum(axis=0, dtype=float), test.n_bytes)
            layers, worse = at_one_percent(calibration, test)
            print(
                f"{seed:4}  {name:16}{''.join(f'{each:8.4f}' for each in bits)}  "
                f"{layers:.2f} ({worse:+.2%})",
                flush=True,
            )


def traces(
    sizes: Architecture, option: EarlyExit, plan: TrainingPlan, text: TokenizedCorpus, n_bytes: int
) -> tuple[ExitTrace, ExitTrace]:
    """Return what the exits of a model trained so say of the calibration and the test part."""
    with tempfile.TemporaryDirectory() as folder:
        candidate = Candidate(sizes, InferencePolicy((option,)))
        train_candidate(candidate, plan, text, directory=Path(folder))
        model = load_checkpoint(Path(folder))
    calibration, test = (
        trace_exits(model, option, text, part, max_bytes=n_bytes)
        for part in ("calibration", "test")
    )
    return calibration, test


def at_one_percent(calibration: ExitTrace, test: ExitTrace) -> tuple[float, float]:
    """Return layers a token of the test part, and what it then has more in bits per byte."""
    whole, reported = (
        sweep(each, CRITERION, [1.0]).bits_per_byte[0] for each in (calibration, test)
    )
    swept = sweep(calibration, CRITERION)
    threshold = swept.thresholds[swept.cheapest(ALLOWED * whole)]
    found = sweep(test, CRITERION, [threshold])
    return float(found.average_layers[0]), float(found.bits_per_byte[0] / reported - 1)


if __name__ == "__main__":
    main()
