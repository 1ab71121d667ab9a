"""`nasviz compare-roads`: pruning a trained model, against training a small one from new."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from nasviz.commands.catalogue import add_field
from nasviz.errors import InputError

if TYPE_CHECKING:
    from nasviz.quality.paired import Interval
    from nasviz.space.architecture import Architecture
    from nasviz.strategies.roads.compare import Event
    from nasviz.strategies.roads.record import RoadsComparison

HELP = """Compare two roads to a small model: prune a trained one, or train the small one from new.

For each seed a parent is trained and pruned to four targets: half of its layers, two thirds of
them, half of the heads and of the feed-forward in every layer, three quarters of the width. Each is
healed by distillation. The same sizes are trained from new three times, each time with a learning
rate that falls to zero: on as much compute as the healing took (the choice of what stays and the
teacher's reading counted), on that and a quarter of the parent's training, and on that and all of
it.

Half of the layers and half of every layer are as many weights, and so are held against each other.
Those two are also cut by other measures of importance, and three times by chance. And within the
predicted time of half of the layers the parent is cut layer by layer (nasviz.PerLayer), and held
against half of its layers that was healed on as many tokens, and on as much compute.

Differences are paired by seed, with Student's interval. The crossing is the compute from which on
training from new is as good as the pruned model.

All trials are in the study named roads at --study, and its models can be looked at like any other.
The same command goes on where it was left, after Ctrl-C (which pauses what is in training) or a
kill; what was trained is not trained again, also with more seeds.

With --json each line of standard output is an object: {"event": "trial", …} for each trial, and
last the result: settings, runs, speed, pruned_minus_scratch, crossings, children,
depth_minus_width, time_of_depth_over_width, method_minus_chance, versions."""


TITLE = "A trained model pruned, or a small one trained from new"
SHOWN = (
    "Each point is a model, measured on the test part. Lines: the mean over seeds; bands: from the "
    "best seed to the worst. A pruned model stands at what it took with nothing, a share and the "
    "whole of its parent's training counted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from nasviz.training.fields import PLAN_FIELDS

    parser.add_argument("--study", required=True, metavar="URL", help="sqlite:///file.db or a file")
    parser.add_argument("--corpus", default="python", metavar="NAME|PATH", help="default: python")
    parser.add_argument(
        "--architecture",
        metavar="FILE",
        help="the parent's sizes: preset, file, or -; default: 6 layers × 64 wide",
    )
    add_field(parser, "--tokens", PLAN_FIELDS["tokens"], metavar="N", default=250_000)
    parser.add_argument(
        "--healing-tokens",
        type=int,
        metavar="N",
        help="what each pruned model is healed on; default: a tenth of --tokens",
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--figure", metavar="FILE.html", help="both roads of each target, a page")
    parser.add_argument("--json", action="store_true", help="JSON lines on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print; returns 0.

    Raises `InputError` before anything is written where the input is wrong, and `RunError` where a
    trial failed.
    """
    from nasviz.strategies.roads.compare import RoadsRun
    from nasviz.strategies.roads.settings import RoadsSettings
    from nasviz.study.corpus_name import settled_corpus
    from nasviz.widgets.export.save import check_page

    if arguments.figure is not None:
        check_page(arguments.figure)
    if arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds} leaves nothing to compare over; 1 or more")
    healing = arguments.healing_tokens
    settings = RoadsSettings(
        arguments.tokens,
        max(1, arguments.tokens // 10) if healing is None else healing,
        tuple(range(arguments.seeds)),
        _parent(arguments.architecture),
        settled_corpus(arguments.corpus),
    )
    found = RoadsRun.prepared(settings, arguments.study, on_trial=_Shown(arguments.json)).run()
    print(json.dumps(found.to_json()) if arguments.json else as_text(found), flush=True)
    if arguments.figure is not None:  # last: a disk that refuses costs the page alone
        _write_page(found, arguments.figure)
    return 0


def _parent(name: str | None) -> Architecture:
    from nasviz.space.candidate_file import read_candidate
    from nasviz.strategies.roads.settings import PARENT

    if name is None:
        return PARENT
    candidate = read_candidate(name, sys.stdin)
    if candidate.inference:
        raise InputError(
            f"--architecture {name} has a policy of inference; sizes are what is pruned here: give "
            "it without one"
        )
    return candidate.architecture


class _Shown:
    """Shows each finished trial: a line on standard error, and as JSON where asked for."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def __call__(self, event: Event) -> None:
        from nasviz.commands.search import trial_json

        if self.as_json:
            of = {"seed": event.seed, "arm": event.arm, "done": event.done, "of": event.of}
            print(json.dumps({"event": "trial", **of, **trial_json(event.trial)}), flush=True)
        print(
            f"{event.done} of {event.of}: seed {event.seed}, {event.arm}: "
            f"{event.trial.result['bits_per_byte']:.4f} bits/byte (trial {event.trial.number})",
            file=sys.stderr,
            flush=True,
        )


def as_text(found: RoadsComparison) -> str:
    """Return what a person reads: every difference with its interval, and what it says."""
    parts = (_roads, _depth_or_width, _by_layer, _importance)
    return "\n\n".join("\n".join(part(found)) for part in parts)


def _roads(found: RoadsComparison) -> list[str]:
    from nasviz.cost.units import printed
    from nasviz.strategies.roads.outcome import ACCOUNTS

    lines = [f"{'pruned − from new, bits per byte':<64}{'difference':>11}  95% interval"]
    for target in found.targets:
        for account in ACCOUNTS:
            difference = found.pruned_minus_scratch(target, account)
            said = _said(difference, "pruning is better", "training from new is better")
            lines.append(f"{f'{target}, at {account}':<64}{_figures(difference)}  {said}")
        crossing = found.crossing(target)
        reached = [each for each in found.crossings(target) if each is not None]
        leads = sum(run.from_new_leads(target) for run in found.runs.values())
        if crossing is not None:
            lines.append(
                f"  training from new is as good from {printed(crossing.mean, 'FLOP')} on "
                f"({printed(crossing.low, 'FLOP')} to {printed(crossing.high, 'FLOP')})"
            )
        else:
            lines.append(
                f"  training from new is as good within that in {len(reached)} of "
                f"{len(found.runs)} seeds, and ahead from the start in {leads}"
            )
    return lines


def _depth_or_width(found: RoadsComparison) -> list[str]:
    from nasviz.strategies.roads.targets import DEPTH, WIDTH

    difference, time = found.depth_minus_width(), found.time_of_depth_over_width()
    said = _said(difference, f"{DEPTH} is better", f"{WIDTH} is better")
    predicted = found.speed.predicted_s[DEPTH] / found.speed.predicted_s[WIDTH]
    return [
        f"{f'{DEPTH} − {WIDTH}, healed':<64}{_figures(difference)}  {said}",
        f"  a token takes {time.mean:.2f} of the other's time ({time.low:.2f} to {time.high:.2f}; "
        f"predicted {predicted:.2f})",
    ]


def _by_layer(found: RoadsComparison) -> list[str]:
    from nasviz.space.replacement.per_layer import SCORES

    lines = []
    for scores in SCORES:
        for words, difference in (
            ("before healing", found.unhealed_by_layer_minus_usual(scores)),
            ("healed on as many tokens", found.by_layer_minus_usual(scores)),
            ("at equal compute", found.by_layer_minus_alike(scores)),
        ):
            said = _said(difference, "layer by layer is better", "layers alike are better")
            line = f"layer by layer ({scores} scores) − alike, {words}"
            lines.append(f"{line:<64}{_figures(difference)}  {said}")
        time = found.time_by_layer_over_alike(scores)
        lines.append(
            f"  a token takes {time.mean:.2f} of the other's time ({time.low:.2f} to "
            f"{time.high:.2f}), by the cost model at most as long"
        )
    return lines


def _importance(found: RoadsComparison) -> list[str]:
    from nasviz.strategies.roads.targets import METHODS

    lines = []
    for target, methods in METHODS.items():
        for method in methods:
            name = method.replace("_", " ")
            for when, difference in (
                ("before healing", found.unhealed_method_minus_chance(target, method)),
                ("healed", found.method_minus_chance(target, method)),
            ):
                said = _said(difference, f"{name} is better", "chance is better")
                words = f"{target}, {name} − chance, {when}"
                lines.append(f"{words:<64}{_figures(difference)}  {said}")
    return lines


def _figures(found: Interval) -> str:
    if found.n < 2:
        return f"{found.mean:>+11.4f}  without an interval"
    return f"{found.mean:>+11.4f}  {found.low:+.4f} to {found.high:+.4f}"


def _said(found: Interval, below: str, above: str) -> str:
    if found.within_noise:
        return "within noise"
    return below if found.mean < 0 else above


def _write_page(found: RoadsComparison, path: str) -> None:
    from nasviz.plots.page import figure_page
    from nasviz.plots.roads import Roads, draw_all_roads
    from nasviz.widgets.export.save import write

    records = {}
    for target in found.targets:
        crossing = found.crossing(target)
        at = None if crossing is None else crossing.mean
        records[target] = Roads(found.over_seeds(target), at)
    page = figure_page(draw_all_roads(records), TITLE, [SHOWN])
    write(path, page.encode)
