"""`Sizes`: what the cost formulas read of one candidate, or of a chunk of a table.

One set of formulas serves both. For a single candidate every size is a Python integer, so that
counts are exact however large they get; for a table it is a float64 array of shape `(n,)`, or
`(1,)` where all rows share it, exact below 2**53 (9.0e15). Switches and choices are 0 or 1, so
that a formula multiplies by them instead of branching.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nasviz.errors import InputError
from nasviz.space.architecture import GATED, Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.layer_sizes import NAMES as LAYER_NAMES
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.table import CandidateTable, choice_code

# An int or float for one candidate; a float64 array of shape (n,) or (1,) for a table.
Amount = Any

Candidates = Architecture | Candidate | CandidateTable


@dataclass(frozen=True, eq=False)
class Sizes:
    """The sizes of one candidate or of many, ready for arithmetic (see the module).

    `attends` and `feeds` are 0 where layers have no attention or no feed-forward part: of a model
    whose layers differ, each kind of layer is priced by itself (see `nasviz.cost.layered`).
    """

    n_layers: Amount
    d_model: Amount
    n_heads: Amount
    vocab_size: Amount
    context_length: Amount
    n_kv_heads: Amount
    head_dim: Amount
    d_ff: Amount
    experts: Amount
    experts_per_token: Amount
    extra_positions: Amount
    sliding_window: Amount
    learned: Amount
    rope: Amount
    layernorm: Amount
    gated: Amount
    gelu: Amount
    silu: Amount
    relu: Amount
    relu2: Amount
    qkv_bias: Amount
    all_biases: Amount
    tied_embeddings: Amount
    qk_norm: Amount
    query_width: Amount
    kv_width: Amount
    routed: Amount
    attends: Amount
    feeds: Amount


def sizes_of(candidates: Candidates) -> Sizes:
    """Return the sizes of one candidate (Python integers) or of a table (float64 arrays)."""
    if isinstance(candidates, CandidateTable):
        return table_chunk(candidates, 0, len(candidates))
    return _single_sizes(candidates)


def architecture_of(candidate: Architecture | Candidate) -> Architecture:
    """Return the architecture of one candidate; raises `InputError` for anything else."""
    if isinstance(candidate, Candidate):
        return candidate.architecture
    if isinstance(candidate, Architecture):
        return candidate
    raise InputError(
        f"cost needs an Architecture, a Candidate or a CandidateTable, not {candidate!r}"
    )


def _single_sizes(candidate: Architecture | Candidate) -> Sizes:
    sizes = architecture_of(candidate)
    return layer_sizes(sizes, LayerSizes(sizes.n_heads, sizes.n_kv_heads, sizes.d_ff))


def layer_sizes(architecture: Architecture, layer: LayerSizes) -> Sizes:
    """Return the sizes of `architecture` with all its layers like this one (Python integers)."""

    def number(name: str) -> int:
        return int(getattr(layer if name in LAYER_NAMES else architecture, name))

    return _assemble(number, lambda name, choices: int(getattr(architecture, name) in choices))


def table_chunk(table: CandidateTable, start: int, stop: int) -> Sizes:
    """Return the sizes of the rows from `start` to `stop` of a table."""

    def column(name: str) -> Amount:
        values = table.columns[name]
        return (values if len(values) == 1 else values[start:stop]).astype(np.float64)

    def chosen(name: str, choices: tuple[str, ...]) -> Amount:
        codes = table.columns[name]
        part = codes if len(codes) == 1 else codes[start:stop]
        hit = part == choice_code(name, choices[0])
        for choice in choices[1:]:
            hit = hit | (part == choice_code(name, choice))
        return hit.astype(np.float64)

    return _assemble(column, chosen)


def _assemble(
    number: Callable[[str], Amount], chosen: Callable[[str, tuple[str, ...]], Amount]
) -> Sizes:
    plain = {
        name: number(name)
        for name in (
            "n_layers", "d_model", "n_heads", "vocab_size", "context_length", "n_kv_heads",
            "head_dim", "d_ff", "experts", "experts_per_token", "extra_positions",
            "sliding_window", "tied_embeddings", "qk_norm",
        )
    }  # fmt: skip
    return Sizes(
        **plain,
        learned=chosen("position", ("learned",)),
        rope=chosen("position", ("rope",)),
        layernorm=chosen("norm", ("layernorm",)),
        gated=chosen("mlp", GATED),
        gelu=chosen("mlp", ("gelu", "geglu")),
        silu=chosen("mlp", ("swiglu",)),
        relu=chosen("mlp", ("relu",)),
        relu2=chosen("mlp", ("relu2",)),
        qkv_bias=chosen("biases", ("qkv", "all")),
        all_biases=chosen("biases", ("all",)),
        query_width=plain["n_heads"] * plain["head_dim"],
        kv_width=plain["n_kv_heads"] * plain["head_dim"],
        routed=flag(plain["experts"] > 1),
        attends=_present(plain["n_heads"]),
        feeds=_present(plain["d_ff"]),
    )


def _present(size: Amount) -> Amount:
    """Return 1 where a size is not 0; for a table in which none is, the number itself."""
    if isinstance(size, np.ndarray):
        return 1 if size.all() else flag(size > 0)
    return int(size > 0)


def where(switch: Amount, amount: Amount) -> Amount:
    """Return `amount` where `switch` is 1 and 0 elsewhere; nothing is computed where all are on."""
    return amount if isinstance(switch, int) and switch == 1 else switch * amount


def flag(condition: Amount) -> Amount:
    """Return 1 where a comparison holds and 0 elsewhere, ready for arithmetic."""
    return condition.astype(np.float64) if isinstance(condition, np.ndarray) else int(condition)


def half(even: Amount) -> Amount:
    """Return half of an even amount, or of a mean that need not be whole, exactly.

    Dividing floats is slow, so arrays multiply.
    """
    return even * 0.5 if isinstance(even, float | np.ndarray) else even // 2


def smaller(a: Amount, b: Amount) -> Amount:
    """Return the smaller of two amounts, element by element, exact for Python integers."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.minimum(a, b)
    return min(a, b)


def at_most(number: int, limit: Amount) -> Amount:
    """Return `number`, cut to each limit; the number itself where no limit is below it.

    For a table that is one number in place of an array of equal ones, so that what follows from it
    is computed once.
    """
    if isinstance(limit, np.ndarray) and number <= limit.min(initial=number):
        return number
    return smaller(number, limit)


def larger(a: Amount, b: Amount) -> Amount:
    """Return the larger of two amounts, element by element, exact for Python integers."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.maximum(a, b)
    return max(a, b)


def choose(switch: Amount, yes: Amount, no: Amount) -> Amount:
    """Return `yes` where `switch` holds and `no` elsewhere."""
    if isinstance(switch, np.ndarray):
        return np.where(switch, yes, no)
    return yes if switch else no
