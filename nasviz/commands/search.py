"""`nasviz search`: a front of real trials over a search space."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from nasviz.commands.catalogue import add_field

if TYPE_CHECKING:
    from nasviz.strategies.search import SearchResult
    from nasviz.study.trial import Trial

HELP = """Search a space by training its candidates; print the front.

SPACE is a name (laptop, workstation, datacentre, dynamic), a JSON or TOML file, or - for standard
input.
The same command goes on where it was left: earlier trials of the search are told to the strategy,
interrupted ones are finished first, and --trials or --seconds come on top. After --seconds no new
trial begins, and the one in training is finished. Ctrl-C pauses it.

Objectives are minimised: bits_per_byte, measured_time_per_output_token_s, and the predicted costs
parameters_total, parameters_active, parameters_embedding, parameters_attention,
parameters_feed_forward, flops_prefill, flops_decode_per_token, flops_training_per_token,
flops_request, weights_bytes, kv_cache_bytes_per_token, kv_cache_bytes, kv_read_bytes,
memory_total_bytes, training_state_bytes, training_total_bytes, time_to_first_token_s,
time_per_output_token_s, request_s, energy_j, energy_per_token_j, training_s,
lifetime_training_flops, lifetime_flops, lifetime_energy_j.

With --json each line of standard output is an object: {"event": "trial", …} for each trial, and
last the result: objectives, trials, failed, front, hypervolume, reference."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from nasviz.training.fields import PLAN_FIELDS

    parser.add_argument("space", metavar="SPACE", help="name, file, or -")
    parser.add_argument("--corpus", default="python", metavar="NAME|PATH", help="default: python")
    parser.add_argument("--study", required=True, metavar="URL", help="sqlite:///file.db or a file")
    parser.add_argument("--strategy", default="nsga2", help="random, tpe or nsga2 (the default)")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--trials", type=int, metavar="N", help="so many more trials")
    budget.add_argument("--seconds", type=float, metavar="S", help="no new trial after so long")
    parser.add_argument(
        "--objectives",
        default="bits_per_byte,time_per_output_token_s",
        metavar="A,B",
        help="default: bits_per_byte,time_per_output_token_s",
    )
    add_field(parser, "--tokens", PLAN_FIELDS["tokens"], metavar="N")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the strategy's draws; default: 0"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Search and print; returns 0, or 1 where every trial failed.

    Raises `InputError` before anything is written where the input is wrong.
    """
    from nasviz.space.space_file import read_space
    from nasviz.strategies.search import prepare_search, result_of
    from nasviz.training.plan import TrainingPlan

    space = read_space(arguments.space, sys.stdin)
    objectives = tuple(name.strip() for name in arguments.objectives.split(","))
    shown = _Shown(arguments.json)
    search = prepare_search(
        space,
        study=arguments.study,
        strategy=arguments.strategy,
        objectives=objectives,
        trials=arguments.trials,
        seconds=arguments.seconds,
        plan=TrainingPlan(tokens=arguments.tokens),
        corpus=arguments.corpus,
        seed=arguments.seed,
        on_trial=shown,
    )
    search.run()
    result = result_of(search)
    if arguments.json:
        print(json.dumps(result_json(result)), flush=True)
    else:
        print(_as_text(result))
    return 0 if any(trial.state == "complete" for trial in result.trials) else 1


class _Shown:
    """Shows each finished trial: a line on standard error, and as JSON where asked for."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def __call__(self, trial: Trial) -> None:
        if self.as_json:
            print(json.dumps({"event": "trial", **trial_json(trial)}), flush=True)
        said = trial.reason or f"{trial.result['search_bits_per_byte']:.4f} bits/byte"
        title = trial.candidate.architecture.title
        print(f"trial {trial.number} {trial.state}: {title}: {said}", file=sys.stderr, flush=True)


def trial_json(trial: Trial) -> dict[str, Any]:
    """Return a trial as a line of output: its state, candidate and result or reason."""
    return {
        "trial": trial.number,
        "state": trial.state,
        "reason": trial.reason,
        "candidate": trial.candidate.to_json(),
        "result": dict(trial.result),
    }


def result_json(result: SearchResult) -> dict[str, Any]:
    """Return a search's result as the last line of output; figures that are none are null."""
    by_number = dict(zip((trial.number for trial in result.trials), result.values, strict=True))
    complete = sum(trial.state == "complete" for trial in result.trials)
    volumes = result.hypervolume
    return {
        "objectives": list(result.objectives),
        "trials": len(result.trials),
        "complete": complete,
        "failed": sum(trial.state == "failed" for trial in result.trials),
        "ending": result.ending,
        "rejected": dict(result.rejected or {}),
        "front": [
            {
                "trial": trial.number,
                "values": dict(
                    zip(result.objectives, by_number[trial.number].tolist(), strict=True)
                ),
                "bits_per_byte": trial.result["bits_per_byte"],
                "candidate": trial.candidate.to_json(),
            }
            for trial in result.front
        ],
        "hypervolume": float(volumes[-1]) if complete else None,
        "hypervolume_history": volumes.tolist(),
        "reference": result.reference.tolist() if complete else None,
    }


def _as_text(result: SearchResult) -> str:
    data = result_json(result)
    lines = [f"{data['trials']} trials, {data['failed']} failed; the front:"]
    for point in data["front"]:
        values = ", ".join(f"{name} {value:.6g}" for name, value in point["values"].items())
        lines.append(f"  trial {point['trial']}: {values}")
    if data["complete"]:
        lines.append(f"hypervolume {data['hypervolume']:.6g}")
    return "\n".join(lines)
