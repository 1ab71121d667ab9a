"""What every dynamic-inference option saves on a trained model, beside what its formulas promise.

Run: python tests/benchmarks/dynamic_savings.py DIRECTORY [--corpus python] [--layers 12]
     [--width 256] [--context 128] [--exits 4 8 10] [--tokens 1000000] [--taught-tokens 300000]
     [--allowed 0.01] [--bytes 20000] [--rounds 5] [--threads 1]

Models are trained into DIRECTORY, or taken from there where a run before this one trained them: one
with exits after every second layer, which serves every option that needs no training of its own,
and, with --taught-tokens, one each with routers, nested widths and a small model beside it, and a
plain one that these three are compared with.

Printed first, for the exits after the layers in --exits: each criterion at the threshold (one for
all exits, and one an exit) that keeps to the share --allowed of more bits per byte on the
calibration part, reported on the test part. Then one row an option: bits per byte beside the static
model's, layers a token, operations promised, seconds measured and which part of the promised saving
they are, cache and weights held, as shares of the static model's, on the road that generation
takes, one sequence at a time.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize
from nasviz.errors import InputError
from nasviz.evaluation.block_influence import block_influence
from nasviz.evaluation.exit_trace import trace_exits
from nasviz.evaluation.policy_score import score_policy
from nasviz.evaluation.policy_table import PolicyRow, compare_policies
from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.transformer import Transformer
from nasviz.quality.exit_rule import leave, outcome
from nasviz.quality.exit_sweep import sweep
from nasviz.quality.exit_thresholds import per_exit_thresholds
from nasviz.quality.exit_trace import ExitTrace
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

TRACE_BYTES = 1 << 15
CRITERIA: tuple[Criterion, ...] = ("max_probability", "margin", "entropy", "saturation")
TAUGHT: Mapping[str, Option] = {
    "mixture of depths": MixtureOfDepths(capacity=0.5),
    "half the feed-forward, nested": DynamicWidth(ff_share=0.5),
    "cascade": Cascade(threshold=0.8, depth_share=0.25, width_share=0.5),
}


def main() -> None:
    """Train what is missing, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--corpus", default="python")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--exits", type=int, nargs="+", default=[4, 8, 10])
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--taught-tokens", type=int, default=300_000)
    parser.add_argument("--allowed", type=float, default=0.01)
    parser.add_argument("--bytes", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    sizes = Architecture(given.layers, given.width, max(2, given.width // 32), 256, given.context)
    text = tokenize(open_corpus(given.corpus), sizes.vocab_size)
    print(f"{sizes.title}, context {given.context}, {given.tokens:,} tokens of {given.corpus}; "
          f"torch {torch.__version__}, {platform.processor()}")  # fmt: skip
    plan = TrainingPlan(tokens=given.tokens, threads=given.threads)
    model = trained(given.directory / "exits", sizes, EarlyExit(first=2, every=2), plan, text)
    torch.set_num_threads(given.threads)
    exits = choose_exits(model, EarlyExit(layers=tuple(given.exits)), text, given.allowed)
    print(f"\n{given.threads} threads, one sequence, {given.bytes:,} bytes of the test part\n")
    print(f"{'':31}bits/byte  layers  promised  measured  kept   cache  weights  prompt")
    measure = partial(compare_policies, tokenized=text, max_bytes=given.bytes, rounds=given.rounds)
    for name, option in untaught(model, exits, text).items():
        (row,) = measure(model, policies={name: InferencePolicy((option,))})
        print(line(row), flush=True)
    plan = replace(plan, tokens=given.taught_tokens)
    (plain,) = measure(
        trained(given.directory / "plain", sizes, None, plan, text),
        policies={"trained plainly": InferencePolicy()},
    )
    print(f"\n{given.taught_tokens:,} tokens each, beside a plain model of as many\n{line(plain)}")
    for name, option in TAUGHT.items():
        taught = trained(given.directory / option.NAME, sizes, option, plan, text)
        (row,) = measure(taught, policies={name: InferencePolicy((option,))})
        print(line(replace(row, static_bits_per_byte=plain.bits_per_byte)), flush=True)


def trained(
    folder: Path,
    sizes: Architecture,
    option: Option | None,
    plan: TrainingPlan,
    text: TokenizedCorpus,
) -> Transformer:
    """Return the model that was trained into a folder, now or by an earlier run."""
    if not (folder / "weights.safetensors").exists():
        policy = InferencePolicy(() if option is None else (option,))
        train_candidate(Candidate(sizes, policy), plan, text, directory=folder)
    model = load_checkpoint(folder)
    if model.architecture != sizes:
        raise InputError(f"{folder} holds {model.architecture.title}; name another directory")
    return model


def choose_exits(
    model: Transformer, option: EarlyExit, text: TokenizedCorpus, allowed: float
) -> EarlyExit:
    """Print every criterion at the bits per byte allowed; return what takes fewest layers.

    Chosen on the calibration part alone. Traces are exact where skipped layers are recomputed, and
    propagation costs a little more: the criterion that is returned has thresholds that keep to what
    is allowed when it is run.
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
        common = float(swept.thresholds[swept.cheapest((1 + allowed) * whole)])
        own = per_exit_thresholds(calibration, criterion, (1 + allowed) * whole)
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
    return run_within(model, min(found, key=lambda each: each[0])[1], calibration, text, allowed)


def run_within(
    model: Transformer,
    option: EarlyExit,
    calibration: ExitTrace,
    text: TokenizedCorpus,
    allowed: float,
) -> EarlyExit:
    """Return the option with thresholds that keep to `allowed` when states are propagated."""
    measure = partial(
        score_policy, model, tokenized=text, part="calibration", max_bytes=TRACE_BYTES
    )
    whole = measure(policy=InferencePolicy()).score.bits_per_byte
    traced = sweep(calibration, option.criterion, [1.0]).bits_per_byte[0]
    for target in np.arange(allowed, 0, -0.001):
        thresholds = per_exit_thresholds(calibration, option.criterion, (1 + target) * traced)
        tried = replace(option, thresholds=thresholds)
        worse = measure(policy=InferencePolicy((tried,))).score.bits_per_byte / whole - 1
        print(f"traced {target:+.1%} on the calibration part, run {worse:+.2%}", flush=True)
        if worse <= allowed:
            return tried
    raise InputError(f"no threshold keeps to {allowed:+.1%} when states are propagated")


def untaught(model: Transformer, exits: EarlyExit, text: TokenizedCorpus) -> dict[str, Option]:
    """Return what the model with exits is measured under, by name."""
    n_layers, context = model.architecture.n_layers, model.architecture.context_length
    tokens = torch.from_numpy(text.tokens("calibration")[: 64 * context].astype("int64"))
    influence = block_influence(model, tokens.view(64, context)).tolist()
    least = LayerSkip(keep=0.75, choose="influence")
    return {
        "early exit": exits,
        "early exit, recomputed": replace(exits, skipped_layers="recompute"),
        "self-speculation": SelfSpeculation(draft_layers=n_layers // 4, draft_length=3),
        "three quarters of the layers": LayerSkip(keep=0.75),
        "the most influential of them": resolved(least, n_layers, influence),
        "half of the prompt": TokenPruning(keep=0.5, first=n_layers // 2, every=n_layers),
        "half the feed-forward, untaught": DynamicWidth(ff_share=0.5),
        "weights in 8 bits": WeightQuantization(bits=8),
        "weights in 4 bits": WeightQuantization(bits=4),
        "half of the inputs": ActivationSparsity(keep=0.5),
        "a quarter of it, 4 sinks": KVWindow(window=context // 4, sinks=4),
        "a quarter, heavy hitters": KVEviction(budget=context // 4),
        "cache in 8 bits": KVQuantization(bits=8),
        "cache in 2 bits": KVQuantization(bits=2),
    }


def line(row: PolicyRow) -> str:
    """Return one line of the table; `kept` is the part of the promised saving that was measured."""
    kept = "" if row.kept_promise is None else f"{row.kept_promise:.2f}"
    return (
        f"{row.name:31}{row.worse:+8.2%}  {row.average_layers:6.2f}  {row.flops_share:8.2f}  "
        f"{row.time_share:8.2f}  {kept:>5}  {row.cache_share:6.2f}  {row.weights_share:7.2f}  "
        f"{row.prompt_time_share:6.2f}"
    )


if __name__ == "__main__":
    main()
