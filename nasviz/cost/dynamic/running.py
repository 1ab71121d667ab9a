"""`Running`: what a model really computes and keeps under a policy, before it is priced.

The formulas of FLOPs, bytes and seconds read a `Running`. That of the static model says: every
layer, once a token, the whole cache. Each option of a policy changes some of it (see
`nasviz.cost.dynamic.options`). All amounts are means over generated tokens, numbers for one
candidate and arrays for a table, as in `Sizes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nasviz.cost.sizes import Amount, Sizes


@dataclass(frozen=True, eq=False)
class Pass:
    """One kind of pass in decoding, of which a generated token takes `share`.

    tokens: new tokens of each sequence that the pass reads.
    layers: layers that each of them goes through whole.
    kept_layers: further layers that only get its keys and values.
    logits: how often a vector of logits is computed.
    checks: how often an exit or a router looks at a token.
    check_flops: matrix-product FLOPs of these looks, beyond logits.
    """

    layers: Amount
    share: Amount = 1
    tokens: Amount = 1
    kept_layers: Amount = 0
    logits: Amount = 1
    checks: Amount = 0
    check_flops: Amount = 0


@dataclass(frozen=True, eq=False)
class Stage:
    """Layers that see the same tokens of a prompt. In tables, rows without them have 0 layers.

    tokens: how many they see. later: which share of the generated tokens.
    chosen_from: among how many tokens these were chosen by one token's attention; 0 is not so.
    look_flops: what routers take in each of the layers, for the whole prompt.
    """

    layers: Amount
    tokens: Amount
    later: Amount = 1
    chosen_from: Amount = 0
    look_flops: Amount = 0


@dataclass(frozen=True, eq=False)
class Running:
    """What is computed and kept under a policy.

    sizes: what a pass computes with. stored: what is held in memory, in full.
    decode: the passes that a generated token takes.
    stages: which layers see which tokens of a prompt of so many, in all as many layers as `sizes`
        has; None is every layer every token.
    most_keys: the most keys that are kept of a layer, or None where none is let go.
    sinks: how many of the first keys a window keeps in sight.
    evicts: 1 where a layer's keys are evicted one by one, else 0.
    read_pairs: (query, key) pairs that a layer computes for a prompt of so many tokens; None is the
        whole square.
    layer_cache_bytes: bytes that one layer keeps of one sequence of which so many tokens were read,
        given the bytes of an unquantised number; None is all keys in reach, as they are.
    layer_unpacked: numbers of one sequence that a step of generation unpacks in one layer, after so
        many tokens; None is none.
    matrix_bytes: bytes of the matrices of all layers, given the bytes of an unquantised number;
        None is all as they are.
    input_share: the share of a matrix's inputs that a token which is computed alone multiplies.
    additions: weights of exits, gates and routers.
    training_stages: which layers see which tokens of a full context in training; None is every
        layer every token.
    training_logits: how often a vector of logits is computed for a token in training.
    training_also: narrower models whose loss is part of each training step.
    beside: a small model that reads everything too.
    training_checks_flops: of the gates and routers of a token in training, forward and backward.
    """

    sizes: Sizes
    stored: Sizes
    decode: tuple[Pass, ...]
    stages: Callable[[Amount], tuple[Stage, ...]] | None = None
    most_keys: Amount | None = None
    sinks: Amount = 0
    evicts: Amount = 0
    read_pairs: Callable[[Amount], Amount] | None = None
    layer_cache_bytes: Callable[[Amount, int], Amount] | None = None
    layer_unpacked: Callable[[Amount], Amount] | None = None
    matrix_bytes: Callable[[float], Amount] | None = None
    input_share: Amount = 1
    additions: Amount = 0
    training_stages: tuple[Stage, ...] | None = None
    training_logits: Amount = 1
    training_also: tuple[Sizes, ...] = ()
    training_checks_flops: Amount = 0
    beside: Beside | None = None


@dataclass(frozen=True, eq=False)
class Beside:
    """A second model that runs where `on` is 1; its weights are among the first one's additions."""

    on: Amount
    running: Running


def static(sizes: Sizes) -> Running:
    """Return what the static model computes: everything, once."""
    return Running(
        sizes=sizes,
        stored=sizes,
        decode=(Pass(layers=sizes.n_layers),),
    )


def stages_of(running: Running, prompt: Amount) -> tuple[Stage, ...]:
    """Return which layers see which tokens of a prompt of so many."""
    if running.stages is None:
        return (Stage(running.sizes.n_layers, prompt),)
    return running.stages(prompt)


def stages_where(
    on: Amount, these: tuple[Stage, ...], others: tuple[Stage, ...]
) -> tuple[Stage, ...]:
    """Return `these` stages where `on` is 1 and `others` where it is 0; in tables both, in part."""
    if not isinstance(on, np.ndarray):
        return these if on else others
    return (
        *(replace(each, layers=on * each.layers) for each in these),
        *(replace(each, layers=(1 - on) * each.layers) for each in others),
    )
