"""`nasviz prune`: a smaller model made of a trained one, healed and compared with it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nasviz.commands.catalogue import add_field
from nasviz.commands.prune_flags import add_target, check_target, target_of
from nasviz.commands.train import Shown, result_json, say_failure
from nasviz.errors import InputError

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture
    from nasviz.space.sparsity import Sparsity
    from nasviz.study.lineage_cost import LineageCost
    from nasviz.study.study import Study
    from nasviz.study.trial import Trial

HELP = """Prune a trained model, heal it, and print what it came to.

PARENT is a trial's number in the study at --study, or the folder of a checkpoint: one of nasviz, or
one that transformers wrote of the GPT-2 or the Llama family (safetensors only; nothing is ever
unpickled). What is left has the sizes that one of these says:

  --keep-layers N            N of the layers, everything else as it is
  --architecture FILE        the sizes of a preset, a JSON or TOML file, or - for standard input
  --max-parameters N         the largest sizes with at most N weights, no size cut to the bone
  --max-time-per-token S     the same for the predicted seconds of a written token
  --max-memory B             the same for the bytes of weights and cache
  --sparsity 0.5 or 2:4      every size of the parent, with weights set to zero: changes no size
  --heal-for-bits 4          alone: every size of the parent, whose weights learn to be rounded to
                             4 or 8 bits, in which the result is run: changes no size

With --per-layer the layers needn't stay alike, and several limits may be given at once: each
replacement of each layer (fewer heads, a narrower feed-forward part, one of them or both left out)
is scored by how far the model gets from itself, and an exact solver finds the best whole. Scores
come from the layers as they are cut (shared), or after each was taught for a while to do what it
did (local, the default), which takes longer and starts nearer to the parent.

Zeros change neither sizes nor bytes nor the FLOPs of dense kernels. What they are is another test
of how much a model needs; 2:4 (of four neighbours two stay) may be computed faster by GPUs that
have instructions for it.

The result is an ordinary trial: generate, export and the explorer take it as any other. Its cost is
shown with its parent's training, and with the parent's training shared by all of its children.
Ctrl-C cancels. Exit codes are those of nasviz train. The learning rate of healing follows from how
much worse the cut made the model.

With --json each line of standard output is an object: {"event": "progress", …} while it is healed,
before that {"event": "scored", …} while layers are scored, and last the result of nasviz train with
lineage, pruned (removed, layers, parent_bits_per_byte, unhealed_bits_per_byte, flops of finding
what stays, and sparsity where weights were set to zero), lineage_cost, and idle_layer_bytes where
the first layers stayed: what a fixed exit of the parent at that depth holds and doesn't use. With
--per-layer pruned has per_layer: layers (what became of each: its sizes, or null), used (of each
limit), divergence (from the parent, in nats a token, as the scores promise), greedy_divergence and
random_divergence (of the choices that a greedy and a random search make), measured_divergence and
scores."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from nasviz.space.lineage import HEALS
    from nasviz.space.pruning import METHODS, PRUNING_FIELDS
    from nasviz.training.fields import PLAN_FIELDS

    parser.add_argument(
        "parent", metavar="PARENT", help="a trial's number, or a checkpoint's folder"
    )
    add_target(parser)
    parser.add_argument(
        "--importance",
        default="activation",
        metavar="M",
        help=f"what tells which parts stay: {', '.join(METHODS)}. A method for layers only leaves "
        "the other parts to activation. Default: activation, with block_influence for layers.",
    )
    add_field(parser, "--rounds", PRUNING_FIELDS["rounds"], metavar="N", default=1)
    parser.add_argument(
        "--heal", default="distill", metavar="WAY", help=f"{', '.join(HEALS)}; default: distill"
    )
    parser.add_argument(
        "--heal-for-bits",
        type=int,
        metavar="8|4",
        help="changes no size: weights learn rounded to so many bits (quantisation-aware, "
        "arXiv:1308.3432), and the result is run so; alone it keeps every size of the parent",
    )
    budget = parser.add_mutually_exclusive_group()
    add_field(budget, "--tokens", PLAN_FIELDS["tokens"], metavar="N")
    add_field(budget, "--steps", PLAN_FIELDS["steps"], metavar="N")
    add_field(budget, "--seconds", PLAN_FIELDS["seconds"], metavar="S")
    add_field(parser, "--seed", PLAN_FIELDS["seed"], metavar="N", default=0)
    parser.add_argument(
        "--corpus", metavar="NAME|PATH", help="default: the parent trial's, or python"
    )
    parser.add_argument("--study", metavar="URL", help="default: sqlite:///nasviz.db")
    parser.add_argument("--json", action="store_true", help="JSON lines on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Prune, heal and print; returns 0, or 1 where the trial failed or was cancelled.

    Raises `InputError` before anything is stored where the input is wrong.
    """
    from nasviz.execution.parents import find_parent
    from nasviz.execution.prune import prune
    from nasviz.model.trained import trained_architecture
    from nasviz.space.architecture import Architecture
    from nasviz.space.pruning import by_method
    from nasviz.study.study import Study
    from nasviz.training.plan import TrainingPlan

    _check_budget(arguments)
    check_target(arguments)
    sparsity = _sparsity(arguments)
    pruning = None
    if sparsity is None:
        pruning = by_method(arguments.importance, rounds=arguments.rounds, seed=arguments.seed)
    plan = TrainingPlan(
        tokens=arguments.tokens,
        steps=arguments.steps,
        seconds=arguments.seconds,
        seed=arguments.seed,
    )
    is_trial = arguments.parent.isdecimal()
    parent = int(arguments.parent) if is_trial else arguments.parent
    # A folder's model is looked at before a new study's file is made.
    study = _study_that_is_there(arguments.study) if is_trial else None
    before = trained_architecture(find_parent(parent, study).folder)
    target = target_of(arguments, before)
    aim = "sizes by layer"
    if isinstance(target, Architecture):
        _note_export(target)
        aim = target.title
    print(f"{before.title} → {aim}: preparing the worker", file=sys.stderr, flush=True)
    trial = prune(
        parent,
        target,
        plan,
        pruning=pruning,
        sparsity=sparsity,
        heal=arguments.heal,
        heal_for_bits=arguments.heal_for_bits,
        corpus=arguments.corpus,
        study=arguments.study if study is None else study,
        on_progress=Shown(arguments.json),
        on_scored=_said_as_json if arguments.json else _said,
    )
    if trial.state != "complete":
        return say_failure(trial, arguments.json)
    said = pruned_json(study or Study.open(arguments.study), trial, before)
    print(json.dumps(said) if arguments.json else _as_text(said), flush=True)
    return 0


def _said_as_json(scored: int, n_layers: int) -> None:
    print(json.dumps({"event": "scored", "layers": scored, "n_layers": n_layers}), flush=True)


def _said(scored: int, n_layers: int) -> None:
    print(f"scored layer {scored} of {n_layers}", file=sys.stderr, flush=True)


def _check_budget(arguments: argparse.Namespace) -> None:
    for name in ("tokens", "steps", "seconds"):
        if arguments.heal == "none" and getattr(arguments, name) is not None:
            raise InputError(
                f"--{name} is a budget for healing, and --heal none heals nothing; drop one of them"
            )


def _sparsity(arguments: argparse.Namespace) -> Sparsity | None:
    from nasviz.space.sparsity import Sparsity

    if arguments.sparsity is None:
        return None
    return Sparsity(arguments.sparsity, arguments.importance)


def _study_that_is_there(url: str | None) -> Study:
    """Return the study that a parent is a trial of; raises `InputError` rather than make one."""
    from nasviz.study.location import locate
    from nasviz.study.study import Study

    place = locate(url)
    if place.path is not None and not place.path.exists():
        raise InputError(f"there is no study at {place.shown}; name one with --study URL")
    return Study.open(url)


def _note_export(target: Architecture) -> None:
    from nasviz.model.export.choice import family_for

    try:
        family_for(target)
    except InputError as error:
        print(f"nasviz: note: the result can't be exported: {error}", file=sys.stderr)


def pruned_json(study: Study, trial: Trial, parent: Architecture) -> dict[str, Any]:
    """Return a complete pruned trial as the command line prints it: its keys are documented."""
    from nasviz.cost.idle_layers import idle_layer_bytes
    from nasviz.study.lineage_cost import lineage_cost

    child = trial.candidate.architecture
    cost: LineageCost = lineage_cost(study, trial.number)
    said = {
        **result_json(trial),
        "lineage": None if trial.lineage is None else trial.lineage.to_json(),
        "lineage_cost": cost.to_json(),
    }
    first = trial.result["pruned"]["layers"] == list(range(child.n_layers))
    only_layers = list(trial.result["pruned"]["removed"]) == ["n_layers"]
    if first and only_layers and not child.layer_sizes:
        said["idle_layer_bytes"] = idle_layer_bytes(parent, child.n_layers)
    return said


def _as_text(said: dict[str, Any]) -> str:
    from nasviz.cost.units import printed

    pruned, cost = said["pruned"], said["lineage_cost"]
    removed = ", ".join(
        f"{name} {before:,} → {after:,}" for name, (before, after) in pruned["removed"].items()
    )
    lines = [
        f"trial {said['trial']}: {said['bits_per_byte']:.4f} bits per byte of the test part",
        f"  its parent {pruned['parent_bits_per_byte']:.4f}, before it was healed "
        f"{pruned['unhealed_bits_per_byte']:.4f}",
        f"  {removed or 'no size is smaller throughout'}; layers kept: "
        f"{', '.join(map(str, pruned['layers']))}",
        *(_layers_as_text(pruned) if "per_layer" in pruned else ()),
        f"  {said['parameters']:,} parameters; healed ({said['lineage']['heal']}) on "
        f"{said['tokens']:,} tokens in {said['seconds']:.1f} s",
    ]
    if "sparsity" in pruned:
        lines += _zeros_as_text(pruned["sparsity"])
    bits = said["candidate"].get("inference", {}).get("weight_quantization", {}).get("bits")
    if bits is not None:
        lines.append(
            f"  healed and unhealed with the layers' weights in {bits} bits, its parent without; "
            "stored as they were before they are rounded"
        )
    own = printed(cost["own_flops"], "FLOP")
    if cost["total_flops"] is None:
        lines.append(f"  cost: {own} of its own; what its parent's training cost is not known")
    else:
        lines.append(
            f"  cost: {own} of its own, {printed(cost['total_flops'], 'FLOP')} with its parent's "
            f"training, {printed(cost['amortised_flops'], 'FLOP')} with its share of that among "
            f"{cost['children']} {'child' if cost['children'] == 1 else 'children'}"
        )
    if "idle_layer_bytes" in said:
        held = printed(said["idle_layer_bytes"], "B")
        lines.append(
            f"  a fixed exit of the parent after {len(pruned['layers'])} layers, with the logits "
            f"of this model before it was healed, holds {held} more that it never uses"
        )
    return "\n".join(lines)


def _zeros_as_text(zeros: Mapping[str, Any]) -> list[str]:
    lines = [
        f"  zeros ({zeros['pattern']}, by {zeros['importance']}): {1 - zeros['density']:.1%} of "
        f"the matrices' weights, {1 - zeros['whole_density']:.1%} of all; sizes, bytes and the "
        "FLOPs of dense kernels are as before"
    ]
    if zeros["pattern"] == "2:4":
        lines.append(
            "  GPUs with 2:4 instructions (NVIDIA from Ampere on) can multiply such matrices up to "
            "twice as fast; nasviz multiplies them densely, and elsewhere nothing can be gained"
        )
    return lines


def _layers_as_text(pruned: dict[str, Any]) -> Iterator[str]:
    """Yield what became of each of the parent's layers, and what the scores promised."""
    from nasviz.space.architecture import Architecture

    found = pruned["per_layer"]
    own = Architecture.from_json(pruned["parent_architecture"]).sizes_by_layer
    for number, (had, left) in enumerate(zip(own, found["layers"], strict=True)):
        if left is None:
            yield f"    layer {number}: left out"
            continue
        pairs = (
            ("heads", had.n_heads, left["n_heads"]),
            ("feed-forward units", had.d_ff, left["d_ff"]),
        )
        smaller = [f"{name} {one:,} → {other:,}" for name, one, other in pairs if one != other]
        if smaller:
            yield f"    layer {number}: {', '.join(smaller)}"
    others = [
        f"{name} {found[key]:.4f}"
        for name, key in (("greedy", "greedy_divergence"), ("at random", "random_divergence"))
        if found[key] is not None
    ]
    yield (
        f"    by the scores {found['divergence']:.4f} nats a token from the parent "
        f"({', '.join(others)}); as cut {found['measured_divergence']:.4f}"
    )
