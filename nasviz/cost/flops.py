"""Floating-point operations of a model, in serving and in training.

Convention: matrix products only, 2 operations a multiply-add, attention dense (the whole T × T
square, masked or not). It is what `torch.utils.flop_counter.FlopCounterMode` counts on the meta
device or with the math kernel of attention, on our model and on that of `transformers`. The half
of the square that a causal kernel may skip is given apart (`causal_saving`).
"""

from __future__ import annotations

from dataclasses import dataclass

from nasviz.cost.sizes import Amount, Sizes, at_most, choose, half, smaller
from nasviz.cost.workload import Workload


@dataclass(frozen=True, eq=False)
class FlopsParts:
    """FLOPs of one pass by component.

    `attention` holds the four projections, `scores` the two products with keys and with values.
    """

    attention: Amount
    scores: Amount
    feed_forward: Amount
    router: Amount
    head: Amount


@dataclass(frozen=True, eq=False)
class Flops:
    """FLOPs of a workload.

    prefill: the whole prompt of each of the `batch` sequences, logits for the last position only.
    decode_per_token: one more token of one sequence, at the workload's `decode_position`.
    training_per_token: forward and backward of one token in a full context, logits everywhere.
    request: one request from its prompt to its last generated token.
    causal_saving: the part of `prefill` that a kernel skips when it leaves out masked pairs.
    """

    prefill: Amount
    decode_per_token: Amount
    training_per_token: Amount
    request: Amount
    causal_saving: Amount
    prefill_parts: FlopsParts
    decode_parts: FlopsParts
    training_parts: FlopsParts


def count_flops(sizes: Sizes, workload: Workload) -> Flops:
    """Return the FLOPs that `workload` asks of `sizes` (convention: see the module)."""
    prompt = prompt_tokens(sizes, workload)
    keys = decode_keys(sizes, workload)
    one = _per_token(sizes)

    prefill = _parts(one, tokens=prompt, pairs=prompt * prompt, logits=1)
    decode = _parts(one, tokens=1, pairs=keys, logits=1)
    context = sizes.context_length
    # Backward takes two products for each of the forward's: with respect to input and to weight.
    # Checkpointing runs the blocks' forward once more (Chen et al. 2016, arXiv:1604.06174).
    passes = 3 + workload.activation_checkpointing
    forward = _parts(one, tokens=1, pairs=context, logits=1)
    training = FlopsParts(
        attention=passes * forward.attention,
        scores=passes * forward.scores,
        feed_forward=passes * forward.feed_forward,
        router=passes * forward.router,
        head=3 * forward.head,
    )

    prefill_total = _total(prefill)
    decode_total = _total(decode)
    unseen = prompt * prompt - seen_pairs(sizes, prompt)
    return Flops(
        prefill=workload.batch * prefill_total,
        decode_per_token=decode_total,
        training_per_token=_total(training),
        request=prefill_total + (workload.generated_tokens - 1) * decode_total,
        causal_saving=workload.batch * one.scores * unseen,
        prefill_parts=_times(workload.batch, prefill),
        decode_parts=decode,
        training_parts=training,
    )


def prompt_tokens(sizes: Sizes, workload: Workload) -> Amount:
    """Return how many prompt tokens a candidate reads: at most its context."""
    return at_most(workload.prompt_tokens, sizes.context_length)


def decode_keys(sizes: Sizes, workload: Workload) -> Amount:
    """Return how many keys the middle generated token attends to, itself included."""
    return at_most(workload.decode_position, reach(sizes))


def reach(sizes: Sizes) -> Amount:
    """Return the most keys that a token ever attends to: the context, or a sliding window."""
    window = choose(sizes.sliding_window > 0, sizes.sliding_window, sizes.context_length)
    return smaller(window, sizes.context_length)


def seen_pairs(sizes: Sizes, tokens: Amount) -> Amount:
    """Return how many (query, key) pairs the mask leaves in `tokens` tokens read at once.

    Causal: T (T + 1) / 2; with a window w the first w tokens see a triangle, the others w each.
    """
    window = smaller(tokens, reach(sizes))
    return half(window * (window + 1)) + (tokens - window) * window


def _per_token(sizes: Sizes) -> FlopsParts:
    """Return the FLOPs of one token in every layer, and of one position's logits.

    `scores` is for one (query, key) pair.
    """
    d_model, query = sizes.d_model, sizes.query_width
    layers = 2 * sizes.n_layers
    matrices = 2 + sizes.gated
    return FlopsParts(
        attention=layers * d_model * 2 * (query + sizes.kv_width),
        scores=layers * 2 * query,
        feed_forward=layers * sizes.experts_per_token * matrices * d_model * sizes.d_ff,
        router=layers * sizes.routed * d_model * sizes.experts,
        head=2 * d_model * sizes.vocab_size,
    )


def _parts(one: FlopsParts, *, tokens: Amount, pairs: Amount, logits: Amount) -> FlopsParts:
    return FlopsParts(
        attention=tokens * one.attention,
        scores=pairs * one.scores,
        feed_forward=tokens * one.feed_forward,
        router=tokens * one.router,
        head=logits * one.head,
    )


def _times(factor: int, parts: FlopsParts) -> FlopsParts:
    if factor == 1:
        return parts
    return FlopsParts(
        attention=factor * parts.attention,
        scores=factor * parts.scores,
        feed_forward=factor * parts.feed_forward,
        router=factor * parts.router,
        head=factor * parts.head,
    )


def _total(parts: FlopsParts) -> Amount:
    return parts.attention + parts.scores + parts.feed_forward + parts.router + parts.head
