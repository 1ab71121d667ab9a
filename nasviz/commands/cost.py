"""`nasviz cost`: what a candidate costs, without building it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from nasviz.commands.catalogue import add_field
from nasviz.space.layer_sizes import one_by_one, span

if TYPE_CHECKING:
    from nasviz.cost.estimate import Cost
    from nasviz.cost.workload import Workload
    from nasviz.space.architecture import Architecture
    from nasviz.space.candidate import Candidate

HELP = """Estimate what a candidate costs: parameters, FLOPs, bytes, seconds and joules.

CANDIDATE is a preset's name (see `nasviz presets`), a JSON or TOML file
{"architecture": {...}, "inference": {...}}, or - for standard input. Under "inference" is how the
model is run, such as {"early_exit": {"threshold": 0.8}}: costs are then the expected ones, beside
those of the static model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from nasviz.cost.workload_fields import WORKLOAD_FIELDS

    parser.add_argument("candidate", metavar="CANDIDATE", help="a preset's name, a file, or -")
    parser.add_argument(
        "--hardware",
        metavar="NAME",
        help="see `nasviz hardware`; default: this machine, calibrated",
    )
    fields = WORKLOAD_FIELDS
    add_field(parser, "--batch", fields["batch"], metavar="N", default=fields["batch"].default)
    for option, name in (("--prompt", "prompt_tokens"), ("--generate", "generated_tokens")):
        fitted = f"Default: {fields[name].default}, or what the context holds."
        add_field(parser, option, fields[name], metavar="N", note=fitted)
    precision = fields["precision"]
    add_field(parser, "--precision", precision, metavar="P", default=precision.default)
    parser.add_argument("--json", action="store_true", help="every figure, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the cost; returns 0. Raises `InputError` for a wrong candidate, number or name."""
    from nasviz.cost.estimate import estimate
    from nasviz.cost.hardware import Hardware
    from nasviz.space.candidate_file import read_candidate

    candidate = read_candidate(arguments.candidate, sys.stdin)
    workload = _workload(arguments, candidate)
    hardware = (
        Hardware.default() if arguments.hardware is None else Hardware.named(arguments.hardware)
    )
    cost = estimate(candidate, workload, hardware)
    if arguments.json:
        print(json.dumps(_json(candidate, cost), indent=2, ensure_ascii=False))
    else:
        print(_table(arguments.candidate, candidate, cost))
    return 0


def _json(candidate: Candidate, cost: Cost) -> dict[str, Any]:
    """Return every figure; under a dynamic policy also the static model's, under "static"."""
    from nasviz.cost.estimate import estimate

    if not candidate.inference:
        return cost.to_json()
    static = estimate(candidate.architecture, cost.workload, cost.hardware)
    return {
        **cost.to_json(),
        "inference": candidate.inference.to_json(),
        "expected_from": "prior",
        "static": static.to_json(),
    }


def _workload(arguments: argparse.Namespace, candidate: Candidate) -> Workload:
    """Return the workload asked for; what was not asked for is fitted to the context."""
    from nasviz.cost.workload import Workload
    from nasviz.errors import InputError

    context = candidate.architecture.context_length
    prompt, generate = arguments.prompt, arguments.generate
    usual = Workload(batch=arguments.batch, precision=arguments.precision)
    if prompt is None and generate is None:
        return usual.fitted_to(context)
    if prompt is not None and generate is not None:
        asked = usual.with_(prompt_tokens=prompt, generated_tokens=generate)
    elif prompt is not None:
        room = max(1, min(usual.generated_tokens, context + 1 - prompt))
        asked = usual.with_(prompt_tokens=prompt, generated_tokens=room)
    else:
        room = max(1, min(usual.prompt_tokens, context + 1 - generate))
        asked = usual.with_(prompt_tokens=room, generated_tokens=generate)
    # The last generated token is never read.
    if asked.tokens_per_request - 1 > context:
        raise InputError(
            f"{asked.prompt_tokens} prompt and {asked.generated_tokens} generated tokens are more "
            f"than context_length={context} holds; --prompt and --generate together: at most "
            f"{context + 1}"
        )
    return asked


def _table(name: str, candidate: Candidate, cost: Cost) -> str:
    """Return the figures as aligned lines under headings.

    Under a dynamic policy what is expected stands beside what the static model takes.
    """
    from nasviz.cost.estimate import estimate

    sizes, workload = candidate.architecture, cost.workload
    lines = [
        f"{name}: {sizes.title}, {span(sizes.sizes_by_layer, 'n_heads')} heads, vocabulary "
        f"{sizes.vocab_size:,}, context {sizes.context_length:,}",
        *_of_each_layer(sizes),
        f"prompt {workload.prompt_tokens:,} + {workload.generated_tokens:,} generated, batch "
        f"{workload.batch:,}, {workload.precision}, on {cost.hardware.label}",
    ]
    expected = _sections(cost)
    if not candidate.inference:
        for heading, rows in expected.items():
            lines += ["", heading, *(f"  {label:<21} {value}" for label, value in rows.items())]
        return "\n".join(lines)
    options = ", ".join(each.LABEL.lower() for each in candidate.inference.options)
    lines.append(f"with {options}: expected from each option's prior, as nothing was measured yet")
    static = _sections(estimate(sizes, workload, cost.hardware))
    for heading, rows in expected.items():
        lines += ["", f"{heading:<24}{'expected':<26}static"]
        for label, value in rows.items():
            lines.append(f"  {label:<21} {value:<25} {static[heading].get(label, '-')}")
    return "\n".join(lines)


def _of_each_layer(sizes: Architecture) -> list[str]:
    """Return the sizes of each layer where they differ, a line a size."""
    if not sizes.layer_sizes:
        return []
    return [
        f"heads of each layer: {one_by_one(sizes.layer_sizes, 'n_heads')}",
        f"feed-forward of each layer: {one_by_one(sizes.layer_sizes, 'd_ff')}",
    ]


def _sections(cost: Cost) -> dict[str, dict[str, str]]:
    """Return the figures in words, by heading and label."""
    from nasviz.cost.units import printed

    workload = cost.workload
    parameters, flops, memory = cost.parameters, cost.flops, cost.memory
    latency, lifetime = cost.latency, cost.lifetime

    def part(count: float) -> str:
        return f"{printed(count)}  ({count / parameters.total:.0%})"

    sections = {
        "Parameters": {
            "total": printed(parameters.total),
            "active": printed(parameters.active),
            "embedding": part(parameters.embedding),
            "attention": part(parameters.attention),
            "feed-forward": part(parameters.feed_forward),
            "router": part(parameters.router),
            "norms": part(parameters.norm),
            "head": part(parameters.head) if parameters.head else "shared with the embedding",
            "exits and routers": part(parameters.additions),
        },
        "FLOPs": {
            "prefill": printed(flops.prefill, "FLOP"),
            "decode, a token": printed(flops.decode_per_token, "FLOP"),
            "training, a token": printed(flops.training_per_token, "FLOP"),
        },
        "Memory": {
            "weights": printed(memory.weights_bytes, "B"),
            "KV cache, a token": printed(memory.kv_cache_bytes_per_token, "B"),
            "KV cache, at the end": printed(memory.kv_cache_bytes, "B"),
            "activations": printed(memory.activations_bytes, "B"),
            "serving, in all": printed(memory.total_bytes, "B"),
            "training state": printed(memory.training_state_bytes, "B"),
        },
        "Time": {
            "to the first token": printed(latency.time_to_first_token_s, "s"),
            "per output token": printed(latency.time_per_output_token_s, "s"),
            "a request": printed(latency.request_s, "s"),
            "generated": printed(latency.tokens_per_s, "token/s"),
        },
        "Energy": {
            "a request": printed(cost.energy_j, "J"),
            "an output token": printed(cost.energy.token_j, "J"),
        },
        f"Lifetime ({printed(workload.requests)} requests)": {
            "training tokens": printed(lifetime.training_tokens),
            "training": printed(lifetime.training_flops, "FLOP"),
            "serving": printed(lifetime.serving_flops, "FLOP"),
            "energy": printed(lifetime.total_j, "J"),
        },
    }
    if not parameters.router:
        del sections["Parameters"]["router"]
    if not parameters.additions:
        del sections["Parameters"]["exits and routers"]
    return sections
