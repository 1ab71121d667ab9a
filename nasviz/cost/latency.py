"""Seconds of a workload on a device: time to first token, per output token, per request."""

from __future__ import annotations

from dataclasses import dataclass

from nasviz.cost.flops import decode_keys, prompt_tokens, seen_pairs
from nasviz.cost.hardware import Hardware
from nasviz.cost.roofline import Roofline, roofline
from nasviz.cost.sizes import Amount, Sizes, larger, smaller
from nasviz.cost.workload import Workload


@dataclass(frozen=True, eq=False)
class LatencyParts:
    """Seconds of one pass by component; `overhead_s` is launching operations.

    `elementwise_s` is everything that streams activations: norms, rotations, non-linearities,
    residual sums.
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

    time_to_first_token_s: reading the whole batch of prompts.
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


def predict_latency(sizes: Sizes, workload: Workload, hardware: Hardware) -> Latency:
    """Return the seconds that `workload` takes on `hardware`, by a roofline for each operation."""
    machine = roofline(hardware, workload.precision)
    prompt = prompt_tokens(sizes, workload)
    prefill = _pass(
        sizes,
        machine,
        hardware,
        batch=workload.batch,
        tokens=prompt,
        pairs=seen_pairs(sizes, prompt),
        keys=prompt,
    )
    keys = decode_keys(sizes, workload)
    decode = _pass(sizes, machine, hardware, batch=workload.batch, tokens=1, pairs=keys, keys=keys)
    first = _total(prefill, hardware)
    step = _total(decode, hardware)
    return Latency(
        time_to_first_token_s=first,
        time_per_output_token_s=step,
        request_s=first + (workload.generated_tokens - 1) * step,
        tokens_per_s=workload.batch / step,
        prefill_parts=prefill,
        decode_parts=decode,
    )


def _pass(
    sizes: Sizes,
    machine: Roofline,
    hardware: Hardware,
    *,
    batch: int,
    tokens: Amount,
    pairs: Amount,
    keys: Amount,
) -> LatencyParts:
    """Return the seconds of one forward pass over `tokens` new tokens of each sequence.

    `pairs` and `keys` are a sequence's: the (query, key) pairs computed and the keys read.
    """
    rows = batch * tokens
    d_model, query, kv = sizes.d_model, sizes.query_width, sizes.kv_width
    layers = sizes.n_layers
    inward = 1 + sizes.gated

    projections = machine.matmul_s(rows, d_model, query + 2 * kv)
    attention = projections + machine.matmul_s(rows, query, d_model)
    scores = machine.attention_s(
        4 * batch * pairs * query, 2 * batch * (tokens * query + keys * kv)
    )
    # Each token visits `experts_per_token`; the rows spread over the experts that are touched.
    visits = rows * sizes.experts_per_token
    touched = smaller(sizes.experts, visits)
    each = visits / touched
    feed_forward = machine.matmul_s(each, d_model, inward * sizes.d_ff, touched)
    feed_forward = feed_forward + machine.matmul_s(each, sizes.d_ff, d_model, touched)
    feed_forward = feed_forward + sizes.routed * machine.matmul_s(rows, d_model, sizes.experts)
    streamed = rows * (
        8 * d_model  # two norms and two residual sums, each read and written
        + (inward + 1) * sizes.d_ff * sizes.experts_per_token
        + (sizes.rope + sizes.qk_norm) * 2 * (query + kv)
    )
    return LatencyParts(
        attention_s=layers * attention,
        scores_s=layers * scores,
        feed_forward_s=layers * feed_forward,
        elementwise_s=layers * machine.elementwise_s(streamed),
        head_s=machine.matmul_s(batch, d_model, sizes.vocab_size),
        overhead_s=launches(sizes) * hardware.op_overhead_s,
    )


def launches(sizes: Sizes) -> Amount:
    """Return how many operations an eager forward pass launches.

    A layer: two norms, four projections, two cache writes, attention, two residual sums, two
    matrices and a non-linearity; more for what is switched on. Besides the layers: embedding,
    final norm, head.
    """
    layer = (
        14
        + 2 * sizes.gated
        + 2 * sizes.qk_norm
        + 8 * sizes.rope
        + sizes.routed * (6 + 6 * sizes.experts_per_token)
    )
    return sizes.n_layers * layer + 4 + sizes.learned


def _total(parts: LatencyParts, hardware: Hardware) -> Amount:
    busy = (
        parts.attention_s
        + parts.scores_s
        + parts.feed_forward_s
        + parts.elementwise_s
        + parts.head_s
    )
    if hardware.queues_launches:
        return larger(busy, parts.overhead_s)
    return busy + parts.overhead_s
