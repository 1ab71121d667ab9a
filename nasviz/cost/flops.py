"""Floating-point operations of a model, in serving and in training.

Convention: matrix products only, 2 operations a multiply-add, attention dense (the whole T × T
square, masked or not). It is what `torch.utils.flop_counter.FlopCounterMode` counts on the meta
device or with the math kernel of attention, on our model and on that of `transformers`. The half
of the square that a causal kernel may skip is given apart (`causal_saving`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nasviz.cost.dynamic.running import Pass, Running, Stage, stages_of
from nasviz.cost.sizes import Amount, Sizes, at_most, choose, half, smaller, where
from nasviz.cost.workload import Workload
from nasviz.space.options.shares import share_of


@dataclass(frozen=True, eq=False)
class FlopsParts:
    """FLOPs of one pass by component.

    `attention` holds the four projections, `scores` the two products with keys and with values,
    `router` what chooses experts, exits or layers.
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


def count_flops(running: Running, workload: Workload) -> Flops:
    """Return the FLOPs that `workload` asks of what is `running` (convention: see the module)."""
    sizes = running.sizes
    prompt = prompt_tokens(sizes, workload)
    dense = _per_layer(sizes, 1)

    stages = stages_of(running, prompt)
    prefill = _stage_parts(running, dense, stages[0], workload.batch, logits=1)
    for stage in stages[1:]:
        prefill = _sum(prefill, _stage_parts(running, dense, stage, workload.batch, logits=0))
    decode = _decode_parts(running, dense, workload)
    training = _training_parts(running, workload)

    prefill_total = _total(prefill)
    decode_total = _total(decode)
    masked = [
        each.layers * (computed_pairs(running, each.tokens) - seen_pairs(running, each.tokens))
        for each in stages
    ]
    return Flops(
        prefill=workload.batch * prefill_total,
        decode_per_token=decode_total,
        training_per_token=_total(training),
        request=prefill_total + (workload.generated_tokens - 1) * decode_total,
        causal_saving=workload.batch * dense.scores * sum(masked),
        prefill_parts=_times(workload.batch, prefill),
        decode_parts=decode,
        training_parts=training,
    )


def _stage_parts(
    running: Running, dense: FlopsParts, stage: Stage, batch: int, logits: int
) -> FlopsParts:
    """Return the FLOPs of one sequence's prompt in some layers, and of choosing its tokens there.

    The one query that chooses meets keys, and gathers no values.
    """
    parts = _parts(
        _per_layer(running.sizes, _kept_inputs(running, batch * stage.tokens), dense),
        layers=stage.layers,
        tokens=stage.tokens,
        pairs=stage.layers * computed_pairs(running, stage.tokens),
        logits=logits,
    )
    asked = smaller(stage.layers, 1) * stage.chosen_from * 2 * running.sizes.query_width
    return replace(parts, router=parts.router + asked + stage.layers * stage.look_flops)


def _decode_parts(running: Running, dense: FlopsParts, workload: Workload) -> FlopsParts:
    """Return the FLOPs of one generated token: of all passes, each as often as it is taken."""
    sizes, keys = running.sizes, decode_keys(running, workload)
    parts = []
    for each in running.decode:
        share = _kept_inputs(running, workload.batch * each.tokens)
        one = _per_layer(sizes, share, dense)
        parts.append(_pass_parts(sizes, each, one, _part(sizes.d_model, share), keys))
    whole = parts[0]
    for part in parts[1:]:
        whole = _sum(whole, part)
    return whole


def _pass_parts(
    sizes: Sizes, each: Pass, one: FlopsParts, inputs: Amount, keys: Amount
) -> FlopsParts:
    """Return the FLOPs of a pass; layers that get keys and values alone read so many inputs."""
    whole = _parts(
        one,
        layers=each.layers,
        tokens=each.tokens,
        pairs=each.layers * each.tokens * keys,
        logits=each.logits,
    )
    kept = 2 * each.tokens * each.kept_layers * inputs * 2 * sizes.kv_width
    whole = FlopsParts(
        attention=whole.attention + kept,
        scores=whole.scores,
        feed_forward=whole.feed_forward,
        router=whole.router + each.check_flops,
        head=whole.head,
    )
    return _times(each.share, whole)


def _training_parts(running: Running, workload: Workload) -> FlopsParts:
    """Return the FLOPs of one token's training, in the full model and in what trains with it."""
    sizes = running.stored
    seen = running.training_stages or (Stage(sizes.n_layers, sizes.context_length),)
    parts = _trained(sizes, workload, running.training_logits, seen)
    parts = replace(parts, router=parts.router + running.training_checks_flops)
    for narrower in running.training_also:
        whole = Stage(narrower.n_layers, narrower.context_length)
        parts = _sum(parts, _trained(narrower, workload, 1, (whole,)))
    return parts


def _trained(
    sizes: Sizes, workload: Workload, logits: Amount, stages: tuple[Stage, ...]
) -> FlopsParts:
    """Return the FLOPs of one token's forward and backward, the mean over a full context.

    Backward takes two products for each of the forward's: with respect to input and to weight.
    Checkpointing runs the blocks' forward once more (Chen et al. 2016, arXiv:1604.06174).
    """
    passes = 3 + workload.activation_checkpointing
    # One stage of all tokens stays a whole number.
    alone = len(stages) == 1
    context = sizes.context_length
    visits = stages[0].layers if alone else sum(s.layers * s.tokens for s in stages) / context
    pairs = visits * context if alone else sum(s.layers * s.tokens**2 for s in stages) / context
    forward = _parts(_per_layer(sizes, 1), layers=visits, tokens=1, pairs=pairs, logits=logits)
    return FlopsParts(
        attention=passes * forward.attention,
        scores=passes * forward.scores,
        feed_forward=passes * forward.feed_forward,
        router=passes * forward.router,
        head=3 * forward.head,
    )


def prompt_tokens(sizes: Sizes, workload: Workload) -> Amount:
    """Return how many prompt tokens a candidate reads: at most its context."""
    return at_most(workload.prompt_tokens, sizes.context_length)


def decode_keys(running: Running, workload: Workload) -> Amount:
    """Return how many keys the middle generated token attends to, itself included.

    Where layers keep different ones, the mean over those that it goes through.
    """
    position = at_most(workload.decode_position, reach(running))
    if running.stages is None:
        return position
    prompt = smaller(prompt_tokens(running.sizes, workload), position)
    visits, keys = 0, 0
    for each in stages_of(running, prompt):
        visits = visits + each.layers * each.later
        kept = each.tokens + each.later * (position - prompt)
        keys = keys + each.layers * each.later * kept
    return keys / visits


def reach(running: Running) -> Amount:
    """Return the most keys that a token ever attends to: the context, or a window."""
    sizes = running.sizes
    window = choose(sizes.sliding_window > 0, sizes.sliding_window, sizes.context_length)
    longest = smaller(window, sizes.context_length)
    return longest if running.most_keys is None else smaller(longest, running.most_keys)


def computed_pairs(running: Running, tokens: Amount) -> Amount:
    """Return how many (query, key) pairs a layer computes for a prompt of so many tokens."""
    return tokens * tokens if running.read_pairs is None else running.read_pairs(tokens)


def seen_pairs(running: Running, tokens: Amount) -> Amount:
    """Return how many (query, key) pairs the mask leaves in `tokens` tokens read at once.

    Causal: T (T + 1) / 2; with a window w the first w tokens see a triangle, the others w each.
    """
    window = smaller(tokens, reach(running))
    return half(window * (window + 1)) + (tokens - window) * window


def _kept_inputs(running: Running, rows: Amount) -> Amount:
    """Return the share of its inputs that a matrix multiplies in a pass over `rows` tokens."""
    share = running.input_share
    return share if isinstance(share, int) else choose(rows == 1, share, 1)


def _per_layer(sizes: Sizes, input_share: Amount, dense: FlopsParts | None = None) -> FlopsParts:
    """Return the FLOPs of one token in one layer, and of one position's logits.

    Matrices but those of experts multiply `input_share` of their inputs; `dense`, where it is
    known, is the result for all of them. `scores` is for one (query, key) pair.
    """
    if dense is not None and isinstance(input_share, int):
        return dense
    d_model, query, d_ff = sizes.d_model, sizes.query_width, sizes.d_ff
    stream = _part(d_model, input_share)
    attention = stream * (query + 2 * sizes.kv_width) + _part(query, input_share) * d_model
    whole = isinstance(input_share, int)
    ff_share = input_share if whole else choose(sizes.routed == 1, 1, input_share)
    inward = (1 + sizes.gated) * _part(d_model, ff_share) * d_ff
    feed_forward = inward + _part(d_ff, ff_share) * d_model
    return FlopsParts(
        attention=2 * attention,
        scores=4 * query,
        feed_forward=2 * sizes.experts_per_token * feed_forward,
        router=2 * where(sizes.feeds, sizes.routed) * d_model * sizes.experts,
        head=2 * d_model * sizes.vocab_size,
    )


def _part(inputs: Amount, share: Amount) -> Amount:
    """Return how many of the inputs are kept; nothing is computed where all are."""
    return inputs if isinstance(share, int) and share == 1 else share_of(inputs, share)


def _parts(
    one: FlopsParts, *, layers: Amount, tokens: Amount, pairs: Amount, logits: Amount
) -> FlopsParts:
    visits = layers * tokens
    return FlopsParts(
        attention=visits * one.attention,
        scores=pairs * one.scores,
        feed_forward=visits * one.feed_forward,
        router=visits * one.router,
        head=logits * one.head,
    )


def _sum(one: FlopsParts, other: FlopsParts) -> FlopsParts:
    return FlopsParts(
        attention=one.attention + other.attention,
        scores=one.scores + other.scores,
        feed_forward=one.feed_forward + other.feed_forward,
        router=one.router + other.router,
        head=one.head + other.head,
    )


def _times(factor: Amount, parts: FlopsParts) -> FlopsParts:
    if isinstance(factor, int) and factor == 1:
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
