"""What every dynamic-inference option saves on a trained model, beside what its formulas promise.

Run: python tests/benchmarks/dynamic_savings.py DIRECTORY [--corpus python] [--layers 12]
     [--width 256] [--context 128] [--tokens 1000000] [--bytes 20000] [--rounds 5] [--threads 1]

Models are trained into DIRECTORY, or taken from there where a run before this one trained them: one
with exits, which serves every option that needs no training of its own, and one each with routers,
nested widths and a small model beside it. Printed first, for early exit: each criterion at the
threshold (one for all exits, and one an exit) that keeps to one percent more bits per byte on the
calibration part, reported on the test part. Then one row an option: bits per byte beside the same
model's without it, layers a token, operations promised, seconds measured, cache and weights held,
as shares of the static model's, on the road that generation takes, one sequence at a time.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize
from nasviz.errors import InputError
from nasviz.evaluation.block_influence import block_influence
from nasviz.evaluation.exit_trace import trace_exits
from nasviz.evaluation.policy_table import PolicyRow, compare_policies
from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.transformer import Transformer
from nasviz.quality.exit_rule import leave, outcome
from nasviz.quality.exit_sweep import sweep
from nasviz.quality.exit_thresholds import per_exit_thresholds
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import Criterion, EarlyExit
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.layer_skip import LayerSkip, resolved
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.option import Option
from nasviz.space.options.self_speculation import SelfSpeculation
from nasviz.space.options.token_pruning import TokenPruning
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.training.plan import TrainingPlan
from nasviz.training.trainer import train_candidate

ALLOWED = 1.01
TRACE_BYTES = 1 << 16
CRITERIA: tuple[Criterion, ...] = ("max_probability", "margin", "entropy", "saturation", "gate")


def main() -> None:
    """Train what is missing, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--corpus", default="python")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--exits", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    sizes = Architecture(given.layers, given.width, max(2, given.width // 32), 256, given.context)
    text = tokenize(open_corpus(given.corpus), sizes.vocab_size)
    plan = TrainingPlan(tokens=given.tokens)
    print(f"{sizes.title}, context {given.context}, {given.tokens:,} tokens of {given.corpus}; "
          f"torch {torch.__version__}, {platform.processor()}")  # fmt: skip
    taught = taught_options(tuple(given.exits))
    models = {
        name: trained(given.directory / name, sizes, option, plan, text)
        for name, option in taught.items()
    }
    torch.set_num_threads(given.threads)
    exits = taught["exits"]
    assert isinstance(exits, EarlyExit)
    chosen = choose_exits(models["exits"], exits, text)
    print(f"\n{given.threads} threads, one sequence, {given.bytes:,} bytes of the test part\n")
    print(f"{'':30}bits/byte  layers  promised  measured  kept   cache  weights  prompt")
    for model, policies in groups(models, taught, chosen, text):
        for name, policy in policies.items():
            (row,) = compare_policies(
                model, text, {name: policy}, max_bytes=given.bytes, rounds=given.rounds
            )
            print(line(row), flush=True)


def taught_options(exits: tuple[int, ...]) -> dict[str, Option]:
    """Return the options that a model has to be trained for, by the folder it lies in."""
    return {
        "exits": EarlyExit(layers=exits, criterion="gate"),
        "routers": MixtureOfDepths(capacity=0.5),
        "widths": DynamicWidth(ff_share=0.5),
        "cascade": Cascade(threshold=0.8, depth_share=0.25, width_share=0.5),
    }


def trained(
    folder: Path, sizes: Architecture, option: Option, plan: TrainingPlan, text: TokenizedCorpus
) -> Transformer:
    """Return the model that was trained into a folder, now or by an earlier run."""
    if not (folder / "weights.safetensors").exists():
        train_candidate(Candidate(sizes, InferencePolicy((option,))), plan, text, directory=folder)
    model = load_checkpoint(folder)
    if model.architecture != sizes:
        raise InputError(f"{folder} holds {model.architecture.title}; name another directory")
    return model


def choose_exits(model: Transformer, option: EarlyExit, text: TokenizedCorpus) -> EarlyExit:
    """Print every criterion at one percent more bits per byte; return what takes fewest layers.

    Chosen on the calibration part alone.
    """
    calibration, test = (
        trace_exits(model, option, text, part, max_bytes=TRACE_BYTES)
        for part in ("calibration", "test")
    )
    whole, reported = (
        sweep(each, "margin", [1.0]).bits_per_byte[0] for each in (calibration, test)
    )
    print(f"\nwhole model {reported:.4f} bits per byte of the test part")
    print("criterion        thresholds                layers  of all  bits/byte")
    found: list[tuple[float, EarlyExit]] = []
    for criterion in CRITERIA:
        swept = sweep(calibration, criterion)
        common = float(swept.thresholds[swept.cheapest(ALLOWED * whole)])
        own = per_exit_thresholds(calibration, criterion, ALLOWED * whole)
        for thresholds in ((common,) * calibration.n_exits, own):
            policy = replace(option, criterion=criterion, thresholds=thresholds)
            taken = outcome(calibration, leave(calibration, policy))
            said = outcome(test, leave(test, policy))
            found.append((taken.average_layers, policy))
            levels = " ".join(f"{each:.4f}" for each in thresholds)
            share = said.average_layers / model.architecture.n_layers
            worse = said.bits_per_byte / reported - 1
            print(
                f"{criterion:16} {levels:24} {said.average_layers:7.2f}  {share:6.1%}  {worse:+.2%}"
            )
    return min(found, key=lambda each: each[0])[1]


def groups(
    models: Mapping[str, Transformer],
    taught: Mapping[str, Option],
    exits: EarlyExit,
    text: TokenizedCorpus,
) -> Iterator[tuple[Transformer, dict[str, InferencePolicy]]]:
    """Yield each model with the policies that it is measured under, by name."""
    model = models["exits"]
    n_layers, context = model.architecture.n_layers, model.architecture.context_length
    tokens = torch.from_numpy(text.tokens("calibration")[: 64 * context].astype("int64"))
    influence = block_influence(model, tokens.view(64, context)).tolist()
    least = LayerSkip(keep=0.75, choose="influence")
    options: dict[str, Option] = {
        "early exit": exits,
        "early exit, recomputed": replace(exits, skipped_layers="recompute"),
        "self-speculation": SelfSpeculation(draft_layers=n_layers // 4, draft_length=3),
        "three quarters of the layers": LayerSkip(keep=0.75),
        "the most influential of them": resolved(least, n_layers, influence),
        "half of the prompt": TokenPruning(keep=0.5, first=n_layers // 2, every=n_layers),
        "weights in 8 bits": WeightQuantization(bits=8),
        "weights in 4 bits": WeightQuantization(bits=4),
        "half of the inputs": ActivationSparsity(keep=0.5),
        "a quarter of it, 4 sinks": KVWindow(window=context // 4, sinks=4),
        "a quarter, heavy hitters": KVEviction(budget=context // 4),
        "cache in 8 bits": KVQuantization(bits=8),
        "cache in 2 bits": KVQuantization(bits=2),
    }
    yield model, {name: InferencePolicy((option,)) for name, option in options.items()}
    named = {"routers": "mixture of depths", "widths": "half the feed-forward, nested"}
    named["cascade"] = "cascade"
    for folder, name in named.items():
        yield models[folder], {name: InferencePolicy((taught[folder],))}


def line(row: PolicyRow) -> str:
    """Return one line of the table; `kept` is the part of the promised saving that was measured."""
    kept = "" if row.kept_promise is None else f"{row.kept_promise:.2f}"
    return (
        f"{row.name:30}{row.worse:+8.2%}  {row.average_layers:6.2f}  {row.flops_share:8.2f}  "
        f"{row.time_share:8.2f}  {kept:>5}  {row.cache_share:6.2f}  {row.weights_share:7.2f}  "
        f"{row.prompt_time_share:6.2f}"
    )


if __name__ == "__main__":
    main()
