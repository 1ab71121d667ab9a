"""`nasviz compare-joint`: sizes and dynamic settings searched jointly, against apart."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from nasviz.commands.catalogue import add_field
from nasviz.errors import InputError

if TYPE_CHECKING:
    from nasviz.strategies.joint.compare import Event
    from nasviz.strategies.joint.record import JointComparison
    from nasviz.strategies.joint.settings import Declared

HELP = """Compare joint search of sizes and dynamic settings with searching them apart.

Three arms get the same budget of operations (training with exit heads, scoring, tuning, failures):
static search of sizes; search in two steps, which tries dynamic settings on the winners of a static
search; joint search. The winners of each are trained anew with fresh seeds, and the hypervolume of
what they do on the test part is compared over seeds by a paired bootstrap. Quality is bits per
byte, cost the expected operations of one generated token.

SPACE is a name (dynamic, for one), a JSON or TOML file, or - for standard input, with dynamic
settings among its dimensions. An exit threshold among them is not trained for: it is taken from
the sweep of each trained model. The budget of an arm is --trials times --tokens of the space's
typical candidate. It and the reference point are declared before the first trial, in the first
line of output.

Each seed is a study of its own at --study: joint-seed-0, …. The same command goes on where it was
left, after Ctrl-C (which pauses what is in training) or a kill.

With --json each line of standard output is an object: {"event": "declared", …}, {"event": "trial",
…} for each trial, and last the result: declared, settings, runs, hypervolumes, joint_minus_static,
joint_minus_in_steps, verdict, versions."""


TITLE = "Sizes and dynamic settings, searched jointly or apart"
SHOWN = (
    "Each point is a winner, trained anew with a fresh seed and measured on the test part. Lines: "
    "the middle seed; bands: from the best seed to the worst."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from nasviz.training.fields import PLAN_FIELDS

    parser.add_argument("space", metavar="SPACE", help="name, file, or -")
    parser.add_argument("--corpus", default="python", metavar="NAME|PATH", help="default: python")
    parser.add_argument("--study", required=True, metavar="URL", help="sqlite:///file.db or a file")
    parser.add_argument("--strategy", default="nsga2", help="random, tpe or nsga2 (the default)")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument(
        "--trials", type=int, required=True, metavar="N", help="each arm's budget, in trials"
    )
    add_field(parser, "--tokens", PLAN_FIELDS["tokens"], metavar="N", required=True)
    parser.add_argument(
        "--winners", type=int, default=4, metavar="N", help="re-trained of each arm; default: 4"
    )
    parser.add_argument(
        "--first-share",
        type=float,
        default=0.5,
        metavar="X",
        help="of the budget in two steps, spent on sizes; default: 0.5",
    )
    parser.add_argument(
        "--reference",
        type=float,
        nargs=2,
        metavar=("BITS", "FLOPS"),
        help="in place of what text and space say",
    )
    parser.add_argument(
        "--side-by-side", type=int, default=1, metavar="N", help="seeds at a time; default: 1"
    )
    parser.add_argument("--figure", metavar="FILE.html", help="the three fronts, as a page")
    parser.add_argument("--json", action="store_true", help="JSON lines on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print; returns 0, or 1 where an arm has no winner that was tested.

    Raises `InputError` before anything is written where the input is wrong.
    """
    from nasviz.space.space_file import read_space
    from nasviz.strategies.joint.compare import JointRun
    from nasviz.strategies.joint.settings import JointSettings
    from nasviz.study.corpus_name import settled_corpus
    from nasviz.widgets.export.save import check_page

    if arguments.figure is not None:
        check_page(arguments.figure)
    if arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds} leaves nothing to compare over; 1 or more")
    settings = JointSettings(
        read_space(arguments.space, sys.stdin),
        trials=arguments.trials,
        tokens=arguments.tokens,
        seeds=tuple(range(arguments.seeds)),
        strategy=arguments.strategy,
        corpus=settled_corpus(arguments.corpus),
        first_share=arguments.first_share,
        winners=arguments.winners,
        reference=None if arguments.reference is None else tuple(arguments.reference),
    )
    shown = _Shown(arguments.json)
    joint = JointRun.prepared(
        settings, arguments.study, side_by_side=arguments.side_by_side, on_trial=shown
    )
    _declare(joint.declared, arguments.json)
    found = joint.run()
    print(json.dumps(found.to_json()) if arguments.json else as_text(found), flush=True)
    if arguments.figure is not None:  # last: a disk that refuses costs the page alone
        _write_page(found, arguments.figure)
    return 0 if all(len(found.points(arm)) for arm in found.arms) else 1


def _declare(declared: Declared, as_json: bool) -> None:
    bits, flops = declared.reference
    if as_json:
        print(json.dumps({"event": "declared", **declared.to_json()}), flush=True)
        return
    print(
        f"declared: {declared.budget_flops:.4g} FLOP for each arm and seed; reference point "
        f"{bits:.4f} bits per byte, {flops:.6g} FLOP a token",
        flush=True,
    )


class _Shown:
    """Shows each finished trial: a line on standard error, and as JSON where asked for."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def __call__(self, event: Event) -> None:
        from nasviz.commands.search import trial_json

        trial = event.trial
        if self.as_json:
            # Sweeps are long, and in the study.
            result = {name: value for name, value in trial.result.items() if name != "exit_sweeps"}
            of = {"seed": event.seed, "arm": event.arm, "spent_share": event.spent_share}
            line = {"event": "trial", **of, **trial_json(trial), "result": result}
            print(json.dumps(line), flush=True)
        said = trial.reason or f"{trial.result['search_bits_per_byte']:.4f} bits/byte"
        title = trial.candidate.architecture.title
        options = "".join(f", {each.LABEL.lower()}" for each in trial.candidate.inference.options)
        place = "winner" if event.spent_share is None else f"{event.spent_share:.0%} of its budget"
        print(
            f"seed {event.seed}, {event.arm}, {place}: trial {trial.number} {trial.state}: "
            f"{title}{options}: {said}",
            file=sys.stderr,
            flush=True,
        )


def as_text(found: JointComparison) -> str:
    """Return what a person reads: what each arm spent and reached, and the verdict."""
    lines = [f"{'arm':<10}{'seed':>5}{'trials':>8}{'failed':>8}{'FLOP':>11}{'again':>11}{'box':>9}"]
    for arm in found.arms:
        for seed, share in zip(found.settings.seeds, found.hypervolumes(arm), strict=True):
            run = found.runs[seed][arm]
            lines.append(
                f"{arm:<10}{seed:>5}{run.trials:>8}{run.failed:>8}{run.spent_flops:>11.3e}"
                f"{run.retrained_flops:>11.3e}{share:>9.2%}"
            )
    return "\n".join([*lines, found.verdict])


def _write_page(found: JointComparison, path: str) -> None:
    from nasviz.plots.joint_fronts import JointFronts, draw_joint_fronts
    from nasviz.plots.page import figure_page
    from nasviz.widgets.export.save import write

    fronts = JointFronts(
        {arm: found.reached(arm) for arm in found.arms},
        {arm: found.points(arm) for arm in found.arms},
    )
    page = figure_page(draw_joint_fronts(fronts), TITLE, [found.verdict, SHOWN])
    write(path, page.encode)
