"""Seconds of a workload on a device: time to first token, per output token, per request."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import numpy as np

from nasviz.cost.dynamic.running import Pass, Running, Stage, stages_of
from nasviz.cost.flops import decode_keys, prompt_tokens, seen_pairs
from nasviz.cost.hardware import Hardware
from nasviz.cost.roofline import Clock, Clocks, clocks
from nasviz.cost.sizes import Amount, Sizes, at_most, flag, larger, smaller, where
from nasviz.cost.workload import Workload

# What a number goes through from its few bits: taken out of its byte, then scaled and shifted.
_UNPACKING = MappingProxyType({"copy": 2, "multiply": 1, "add": 1})


# What a look of an exit or a router launches, as a share of what a layer does: 20 to 40 µs beside
# 105 on two cores (Gate, comparison, gathering, weighing). Choosing a prompt's tokens launches
# about as many operations as a layer.
_LOOK_LAUNCHES = 0.3


@dataclass(frozen=True, eq=False)
class LatencyParts:
    """Seconds of one pass by component.

    `elementwise_s` is everything that streams activations: norms, rotations, non-linearities,
    residual sums, cache writes. `head_s` holds the choice of the likeliest token. `overhead_s`
    is Python and launching operations.
    """

    attention_s: Amount
    scores_s: Amount
    feed_forward_s: Amount
    elementwise_s: Amount
    head_s: Amount
    overhead_s: Amount


@dataclass(frozen=True, eq=False)
class Latency:
    """Seconds of a workload.

    time_to_first_token_s: reading the whole batch of prompts and choosing the first tokens.
    time_per_output_token_s: one decode step of the whole batch, at the workload's
        `decode_position`; each sequence gets one token.
    request_s: from a request's prompt to its last token.
    tokens_per_s: generated tokens of all sequences in a second of decoding.
    """

    time_to_first_token_s: Amount
    time_per_output_token_s: Amount
    request_s: Amount
    tokens_per_s: Amount
    prefill_parts: LatencyParts
    decode_parts: LatencyParts


def predict_latency(running: Running, workload: Workload, hardware: Hardware) -> Latency:
    """Return the seconds that `workload` takes on `hardware`, operation by operation."""
    device = clocks(hardware, workload.precision)
    return latency_on(device, running, workload, hides_launches(hardware))


def hides_launches(hardware: Hardware) -> bool:
    """Return whether of launching and computing the shorter costs nothing, as where it queues.

    Measured tables hold it already.
    """
    return hardware.queues_launches and hardware.measured is None


def latency_on(
    device: Clocks, running: Running, workload: Workload, queues_launches: bool = False
) -> Latency:
    """Return the seconds of `workload` by the given clocks."""
    batch, sizes = workload.batch, running.sizes
    prompt = prompt_tokens(sizes, workload)
    keys = decode_keys(running, workload)
    prefill = _pass(
        sizes, device.prefill, _prompt_groups(running, device, batch, prompt),
        batch=batch, rows=batch * prompt, keys=0, gathers=True, logits=1,
    )  # fmt: skip
    unpacking = _unpacking_s(running, device.decode, workload)
    passes = [
        _decode_pass(each, sizes, device.decode, batch, keys, unpacking) for each in running.decode
    ]
    decode = passes[0]
    for further in passes[1:]:
        decode = _sum(decode, further)
    return latency_of(prefill, decode, workload, queues_launches)


def latency_of(
    prefill: LatencyParts, decode: LatencyParts, workload: Workload, queues_launches: bool
) -> Latency:
    """Return the seconds of `workload` from those of reading a prompt and of a decode step."""
    first, step = _total(prefill, queues_launches), _total(decode, queues_launches)
    return Latency(
        time_to_first_token_s=first,
        time_per_output_token_s=step,
        request_s=first + (workload.generated_tokens - 1) * step,
        tokens_per_s=workload.batch / step,
        prefill_parts=prefill,
        decode_parts=decode,
    )


def _unpacking_s(running: Running, device: Clock, workload: Workload) -> Amount:
    """Return the seconds in which one layer's cached keys and values become plain numbers again."""
    if running.layer_unpacked is None:
        return 0
    position = at_most(workload.decode_position, running.sizes.context_length)
    numbers = workload.batch * running.layer_unpacked(position)
    return flag(numbers > 0) * device.streams_s(_UNPACKING, larger(numbers, 1))


def _decode_pass(
    each: Pass, sizes: Sizes, device: Clock, batch: int, keys: Amount, unpacking: Amount
) -> LatencyParts:
    """Return the seconds of one kind of decode pass, as often as a generated token takes it."""
    rows = batch * each.tokens
    scores = each.tokens * device.decode_attention_s(sizes, batch, keys) + unpacking
    parts = _pass(
        replace(sizes, n_layers=each.layers), device, (_Group(each.layers, rows, scores),),
        batch=batch, rows=rows, keys=batch * keys, gathers=False, logits=each.logits,
    )  # fmt: skip
    kept = 2 * each.kept_layers * device.matmul_s(rows, sizes.d_model, sizes.kv_width, 1)
    parts = replace(parts, attention_s=parts.attention_s + kept)
    if np.any(each.checks):
        looks = each.checks * _LOOK_LAUNCHES * _layer_launches_s(sizes, device)
        parts = replace(parts, overhead_s=parts.overhead_s + looks)
    return parts if isinstance(each.share, int) and each.share == 1 else _times(each.share, parts)


@dataclass(frozen=True, eq=False)
class _Group:
    """Layers of a pass over the same `rows` tokens, of the whole batch.

    scores: the seconds of attention in one of them. chosen_s: those of choosing the rows, once.
    launched_s: those of launching what chooses.
    """

    layers: Amount
    rows: Amount
    scores: Amount
    chosen_s: Amount = 0
    launched_s: Amount = 0


def _prompt_groups(
    running: Running, device: Clocks, batch: int, prompt: Amount
) -> tuple[_Group, ...]:
    return tuple(_prompt_group(running, device, batch, each) for each in stages_of(running, prompt))


def _prompt_group(running: Running, device: Clocks, batch: int, stage: Stage) -> _Group:
    """Return the layers of a stage. Choosing its tokens takes one query's attention and a copy."""
    # A routed layer may compute less than a token of a prompt, on average.
    sizes, rows = running.sizes, larger(batch * stage.tokens, 1)
    pairs = seen_pairs(running, stage.tokens)
    scores = device.prefill.prefill_attention_s(sizes, batch, stage.tokens, pairs)
    chosen: Amount = 0
    launched: Amount = 0
    if np.any(stage.look_flops):
        looks = stage.layers * smaller(stage.look_flops, 1)
        launched = looks * _LOOK_LAUNCHES * _layer_launches_s(sizes, device.prefill)
    if np.any(stage.chosen_from):
        once = smaller(stage.layers, 1) * smaller(stage.chosen_from, 1)
        launched = launched + once * _layer_launches_s(sizes, device.prefill)
        asked = device.decode.decode_attention_s(sizes, batch, larger(stage.chosen_from, 1))
        chosen = once * (asked + device.prefill.streams_s({"copy": 1}, rows * sizes.d_model))
    return _Group(stage.layers, rows, scores, chosen, launched)


def _layer_launches_s(sizes: Sizes, device: Clock) -> Amount:
    """Return the seconds that a layer without experts takes beyond its operations."""
    one, none = (device.overhead_s(replace(sizes, n_layers=n), 0) for n in (1, 0))
    return one - none


def _pass(
    sizes: Sizes,
    device: Clock,
    groups: tuple[_Group, ...],
    *,
    batch: int,
    rows: Amount,
    keys: Amount,
    gathers: bool,
    logits: Amount,
) -> LatencyParts:
    """Return the seconds of one forward pass, at most over `rows` new tokens of the whole batch.

    `keys` are read from the cache, and attention's heads are gathered in a copy where there are
    several tokens a sequence. `logits` are computed so often a sequence.
    """
    d_model, kv, layers = sizes.d_model, sizes.kv_width, sizes.n_layers
    touched = _touched(sizes, rows)
    head_weights = d_model * sizes.vocab_size
    cold = device.cold_share(
        layers * _layer_weights(sizes, touched) + head_weights, layers * 2 * keys * kv
    )
    norm = _norm(sizes)
    head = (
        device.streams_s(norm, batch * d_model)
        + device.matmul_s(batch, d_model, sizes.vocab_size, cold)
        + device.streams_s({"argmax": 1}, batch * sizes.vocab_size)
    )
    whole = _layers(sizes, device, groups[0], cold, gathers)
    for group in groups[1:]:
        whole = _sum(whole, _layers(sizes, device, group, cold, gathers))
    return replace(
        whole,
        elementwise_s=whole.elementwise_s + device.streams_s({"copy": 1}, rows * d_model),
        head_s=logits * head,
        overhead_s=whole.overhead_s + device.overhead_s(sizes, touched),
    )


def _layers(
    sizes: Sizes, device: Clock, group: _Group, cold: Amount, gathers: bool
) -> LatencyParts:
    """Return the seconds of a group's layers, without what a pass takes once."""
    d_model, query, kv = sizes.d_model, sizes.query_width, sizes.kv_width
    layers, rows = group.layers, group.rows
    touched = _touched(sizes, rows)
    expert_rows = rows * sizes.experts_per_token / touched

    # A product takes as long as its mirror image: queries as the output, inward as outward.
    attention = 2 * device.matmul_s(rows, d_model, query, cold)
    attention = where(sizes.attends, attention + 2 * device.matmul_s(rows, d_model, kv, cold))
    one_matrix = device.matmul_s(expert_rows, d_model, sizes.d_ff, cold)
    feed_forward = touched * (2 + sizes.gated) * one_matrix
    if np.any(sizes.routed):
        router = device.matmul_s(rows, d_model, sizes.experts, cold)
        feed_forward = feed_forward + sizes.routed * router
    feed_forward = where(sizes.feeds, feed_forward)

    parts = sizes.attends + sizes.feeds
    norms = {kind: parts * switch for kind, switch in _norm(sizes).items()}
    turned = {"head_norm": sizes.qk_norm, "rotate": sizes.rope}
    activation = {
        "gelu": sizes.gelu, "silu": sizes.silu, "relu": sizes.relu, "relu2": sizes.relu2,
        "multiply": sizes.gated,
    }  # fmt: skip
    streams = (
        device.streams_s({**norms, "add": parts}, rows * d_model)
        + where(sizes.attends, device.streams_s({**turned, "copy": 2}, rows * kv))
        + where(sizes.attends, device.streams_s({**turned, "copy": int(gathers)}, rows * query))
        + where(sizes.feeds, touched * device.streams_s(activation, expert_rows * sizes.d_ff))
    )
    return LatencyParts(
        attention_s=layers * attention,
        scores_s=layers * where(sizes.attends, group.scores),
        feed_forward_s=layers * feed_forward,
        elementwise_s=layers * streams + group.chosen_s,
        head_s=0,
        overhead_s=group.launched_s,
    )


def _norm(sizes: Sizes) -> dict[str, Amount]:
    return {"layer_norm": sizes.layernorm, "rms_norm": 1 - sizes.layernorm}


def _touched(sizes: Sizes, rows: Amount) -> Amount:
    """Return how many experts `rows` tokens visit: each takes several, spread over all."""
    return smaller(sizes.experts, rows * sizes.experts_per_token)


def _layer_weights(sizes: Sizes, touched: Amount) -> Amount:
    """Return how many weights a layer reads where so many experts are touched."""
    d_model = sizes.d_model
    inward = touched * (2 + sizes.gated) * d_model * sizes.d_ff
    return inward + 2 * d_model * (sizes.query_width + sizes.kv_width)


def _sum(one: LatencyParts, other: LatencyParts) -> LatencyParts:
    return LatencyParts(
        **{each.name: getattr(one, each.name) + getattr(other, each.name) for each in fields(one)}
    )


def _times(factor: Amount, parts: LatencyParts) -> LatencyParts:
    return LatencyParts(**{each.name: factor * getattr(parts, each.name) for each in fields(parts)})


def _total(parts: LatencyParts, queues_launches: bool) -> Amount:
    busy = (
        parts.attention_s
        + parts.scores_s
        + parts.feed_forward_s
        + parts.elementwise_s
        + parts.head_s
    )
    if queues_launches:
        return larger(busy, parts.overhead_s)
    return busy + parts.overhead_s
