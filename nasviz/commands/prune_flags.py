"""What `nasviz prune` is told to leave of a parent: sizes, or limits with the layers searched."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from nasviz.commands.catalogue import add_field
from nasviz.errors import InputError

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture
    from nasviz.space.replacement.per_layer import PerLayer

_SIZES = ("keep_layers", "architecture", "sparsity")
# With the names that `PerLayer` has for them.
_LIMITS = {
    "max_parameters": "max_parameters",
    "max_time_per_token": "max_time_per_token_s",
    "max_memory": "max_memory_bytes",
}
_DEFAULT_GRID = "halves"


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say what pruning leaves."""
    from nasviz.space.replacement.per_layer import PER_LAYER_FIELDS

    scores = PER_LAYER_FIELDS["scores"]
    parser.add_argument("--keep-layers", type=int, metavar="N", help="layers that stay")
    parser.add_argument("--architecture", metavar="FILE", help="preset, file, or -")
    parser.add_argument("--max-parameters", type=float, metavar="N", help="most weights")
    parser.add_argument("--max-time-per-token", type=float, metavar="S", help="most seconds")
    parser.add_argument("--max-memory", type=float, metavar="B", help="most bytes")
    parser.add_argument(
        "--sparsity",
        metavar="SHARE|N:M",
        help="changes no size: that share of each layer's matrices becomes zero, or of every M "
        "neighbouring weights all but N; chosen by activation (Wanda, arXiv:2306.11695) or "
        "magnitude",
    )
    parser.add_argument(
        "--per-layer",
        nargs="?",
        const=scores.default,
        choices=scores.choices,
        help=f"search the sizes of each layer within the limits. {scores.help}",
    )
    add_field(
        parser, "--replacements", PER_LAYER_FIELDS["grid"], metavar="G", default=_DEFAULT_GRID
    )


def check_target(arguments: argparse.Namespace) -> None:
    """Raise `InputError` unless the arguments say once what is left."""
    from nasviz.space.pruning import PRUNING_FIELDS, by_method

    sizes, limits = _given(arguments, _SIZES), _given(arguments, _LIMITS)
    if arguments.per_layer is None and len(sizes) + len(limits) > 1:
        raise InputError(
            f"{' and '.join((*sizes, *limits))} each say what pruning leaves; give one of them, or "
            "limits alone with --per-layer"
        )
    if arguments.per_layer is not None and sizes:
        raise InputError(
            f"--per-layer searches sizes within limits, and {sizes[0]} says them; drop one of them"
        )
    if arguments.per_layer is not None and not limits:
        possible = ", ".join(map(_flag, _LIMITS))
        raise InputError(f"--per-layer searches sizes within limits; give one of {possible}")
    if not sizes and not limits and arguments.heal_for_bits is None:
        possible = ", ".join(map(_flag, (*_SIZES, *_LIMITS, "heal_for_bits")))
        raise InputError(f"say what is left: {possible}")
    if arguments.rounds != 1 and not limits and sizes in ([], ["--sparsity"]):
        raise InputError(
            f"--rounds {arguments.rounds} takes parts away, and here no part goes; drop it"
        )
    of_parts = PRUNING_FIELDS["importance"].choices
    by_method(arguments.importance)  # refuses a name that is none
    if arguments.per_layer is not None and arguments.importance not in of_parts:
        raise InputError(
            f"--importance {arguments.importance} tells which layers stay, and --per-layer scores "
            f"them; choose {', '.join(of_parts)}"
        )
    if arguments.per_layer is None and arguments.replacements != _DEFAULT_GRID:
        raise InputError("--replacements are those of --per-layer; give that too, or drop it")


def target_of(arguments: argparse.Namespace, parent: Architecture) -> Architecture | PerLayer:
    """Return what is left of `parent`; raises `InputError` where that can't be reached."""
    from nasviz.cost.replacement import check_limits
    from nasviz.execution import prune_target
    from nasviz.space.importance import check_reachable
    from nasviz.space.replacement.per_layer import PerLayer

    if arguments.per_layer is not None:
        limits = {name: getattr(arguments, flag) for flag, name in _LIMITS.items()}
        asked = PerLayer(scores=arguments.per_layer, grid=arguments.replacements, **limits)
        check_limits(parent, asked)
        return asked
    if arguments.keep_layers is not None:
        return prune_target.fewer_layers(parent, arguments.keep_layers)
    if arguments.architecture is not None:
        named = _named(arguments.architecture)
        check_reachable(parent, named)
        return named
    if _given(arguments, _LIMITS):
        return _largest(arguments, parent)
    return parent


def _largest(arguments: argparse.Namespace, parent: Architecture) -> Architecture:
    """Return the largest sizes within the one limit that is given."""
    from nasviz.execution import prune_target
    from nasviz.model.export.choice import is_exportable

    # A parent that transformers has a model for gets children that it has one for.
    exportable = is_exportable(parent)

    def allowed(sizes: Architecture) -> bool:
        return not exportable or is_exportable(sizes)

    if arguments.max_parameters is not None:
        return prune_target.most_parameters(parent, arguments.max_parameters, allowed)
    if arguments.max_memory is not None:
        return prune_target.most_memory(parent, arguments.max_memory, allowed)
    return prune_target.most_time_per_token(parent, arguments.max_time_per_token, allowed)


def _named(architecture: str) -> Architecture:
    from nasviz.space.candidate_file import read_candidate

    candidate = read_candidate(architecture, sys.stdin)
    if candidate.inference:
        raise InputError(
            f"--architecture {architecture} has a policy of inference; pruning leaves sizes: give "
            "it without one"
        )
    return candidate.architecture


def _given(arguments: argparse.Namespace, names: tuple[str, ...] | dict[str, str]) -> list[str]:
    return [_flag(name) for name in names if getattr(arguments, name) is not None]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
