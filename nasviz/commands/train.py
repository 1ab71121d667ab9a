"""`nasviz train`: one candidate trained on real text, with progress and a result."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from nasviz.commands.catalogue import add_field

if TYPE_CHECKING:
    from nasviz.execution.follow import Row
    from nasviz.study.trial import Trial

HELP = """Train a candidate and print its result.

CANDIDATE is a preset's name, a JSON or TOML file, or - for standard input. The trial is stored in
the study at --study (default: sqlite:///nasviz.db, in the current folder), where `nasviz generate`,
`nasviz export` and the explorer find it. A worker process trains it; it stays for 15 minutes, so
that the next trial starts at once (NASVIZ_WORKER_IDLE_S sets the seconds). Ctrl-C cancels.

Exit codes: 0 it was trained; 2 the input is wrong, and nothing was stored; 1 the trial failed or
was cancelled, and is stored with its reason. A model that doesn't fit into the memory that is free
now is a failed trial: the same input may well be trained on another machine. 130: Ctrl-C cancelled
it. If this command or the worker is killed otherwise, the trial stays, and the next worker goes on
with it; the same command given again is another trial.

With --json each line of standard output is an object: {"event": "progress", …} while it trains,
and last the result: bits_per_byte, perplexity, accuracy (of the test part), tokens, bytes, epochs,
seconds, parameters, corpus_sha256, seed, trial, and more."""

SHOW_EVERY_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from nasviz.training.fields import PLAN_FIELDS

    parser.add_argument("candidate", metavar="CANDIDATE", help="preset, file, or -")
    parser.add_argument("--corpus", default="python", metavar="NAME|PATH", help="default: python")
    budget = parser.add_mutually_exclusive_group()
    add_field(budget, "--tokens", PLAN_FIELDS["tokens"], metavar="N")
    add_field(budget, "--steps", PLAN_FIELDS["steps"], metavar="N")
    add_field(budget, "--seconds", PLAN_FIELDS["seconds"], metavar="S")
    add_field(parser, "--batch", PLAN_FIELDS["batch_size"], metavar="N")
    balance = PLAN_FIELDS["balance_loss"]
    add_field(parser, "--balance-loss", balance, metavar="W", default=balance.default)
    add_field(parser, "--seed", PLAN_FIELDS["seed"], metavar="N", default=0)
    parser.add_argument("--study", metavar="URL", help="default: sqlite:///nasviz.db")
    parser.add_argument("--json", action="store_true", help="JSON lines on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Train and print; returns 0, or 1 where the trial failed or was cancelled.

    Raises `InputError` before anything is written where the input is wrong.
    """
    from nasviz.execution.train import train
    from nasviz.space.candidate_file import read_candidate
    from nasviz.training.plan import TrainingPlan

    candidate = read_candidate(arguments.candidate, sys.stdin)
    plan = TrainingPlan(
        tokens=arguments.tokens,
        steps=arguments.steps,
        seconds=arguments.seconds,
        batch_size=arguments.batch,
        balance_loss=arguments.balance_loss,
        seed=arguments.seed,
    )
    title = candidate.architecture.title
    print(f"{title} on {arguments.corpus}: preparing text and worker", file=sys.stderr, flush=True)
    shown = Shown(arguments.json)
    trial = train(candidate, plan, arguments.corpus, arguments.study, shown)
    if trial.state != "complete":
        return say_failure(trial, arguments.json)
    if arguments.json:
        print(json.dumps(result_json(trial)), flush=True)
    else:
        print(_as_text(trial))
    return 0


class Shown:
    """Shows rows of a curve: each as JSON where asked for, one a second to a person."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.last = 0.0

    def __call__(self, row: Row) -> None:
        """Show a row, if it is time to."""
        if self.as_json:
            print(json.dumps({"event": "progress", **row}), flush=True)
        now = time.monotonic()
        if now - self.last >= SHOW_EVERY_S or row["step"] == row["n_steps"]:
            self.last = now
            print(progress_text(row), file=sys.stderr, flush=True)


def progress_text(row: Row) -> str:
    """Return one line about a row of a curve."""
    said = {name: value or 0.0 for name, value in row.items()}
    bits = row["bits_per_byte"]
    quality = "" if bits is None else f"  {bits:.3f} bits/byte"
    return (
        f"step {said['step']:,.0f}/{said['n_steps']:,.0f}  loss {said['loss']:.3f}{quality}  "
        f"{said['tokens_per_s']:,.0f} tokens/s  {said['memory_bytes'] / 2**20:,.0f} MiB  "
        f"{said['eta_s']:.0f} s left"
    )


def result_json(trial: Trial) -> dict[str, Any]:
    """Return a complete trial's result as the command line prints it: its keys are documented."""
    return {
        **trial.result,
        "trial": trial.number,
        "state": trial.state,
        "candidate": trial.candidate.to_json(),
        "plan": dict(trial.plan),
        "corpus": trial.corpus,
    }


def _as_text(trial: Trial) -> str:
    from nasviz.execution.results import load_words

    result = trial.result
    lines = [
        f"trial {trial.number}: {result['bits_per_byte']:.4f} bits per byte of the test part",
        f"  perplexity {result['perplexity']:.3f}, next-token accuracy {result['accuracy']:.1%}",
        f"  {result['tokens']:,} tokens ({result['bytes']:,} bytes, {result['epochs']:.2f} epochs) "
        f"in {result['seconds']:.1f} s",
        f"  {result['parameters']:,} parameters, seed {result['seed']}, {result['device']}",
    ]
    if "expert_load" in result:
        lines.append(f"  an expert gets {load_words(result['expert_load']['layers'])}")
    if result.get("plateau"):
        lines.append(
            "  note: it has learnt token frequencies only; train longer, or at another rate"
        )
    return "\n".join(lines)


def say_failure(trial: Trial, as_json: bool) -> int:
    """Print why a trial came to nothing; returns the exit code."""
    if as_json:
        said = {"trial": trial.number, "state": trial.state, "reason": trial.reason}
        print(json.dumps(said), flush=True)
    print(f"nasviz: trial {trial.number} {trial.state}: {trial.reason}", file=sys.stderr)
    return 1
