"""Bytes: weights, cache, activations and training state of a model.

Sizes are what is stored, without an allocator's rounding; 1 KB is 1,000 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from nasviz.cost.dynamic.running import Running, stages_of
from nasviz.cost.flops import prompt_tokens, reach
from nasviz.cost.parameters import Parameters
from nasviz.cost.sizes import Amount, Sizes, at_most, larger, smaller
from nasviz.cost.training_memory import (
    training_activations,
    training_device_bytes,
    training_host_bytes,
)
from nasviz.cost.workload import ACTIVATION_BYTES, WEIGHT_BYTES, Workload


@dataclass(frozen=True, eq=False)
class Memory:
    """Bytes of a workload.

    Serving, for the whole batch unless said otherwise:
    weights_bytes: all weights (every expert) in the workload's precision.
    kv_cache_bytes_per_token: keys and values of one token of one sequence, all layers (where
        they are not stored alike, the mean over those that are kept, rounded up).
    kv_cache_bytes: the cache after the last generated token (a sliding window keeps its width).
    kv_read_bytes: keys and values read in one decode step, at the workload's `decode_position`.
    activations_bytes: the most that is alive at once while the prompt is read.
    total_bytes: weights, cache and activations: what the device must hold.

    Training, on each device:
    training_state_bytes: weights, gradients and optimizer state.
    training_activations_bytes: what the forward keeps for the backward.
    training_total_bytes: both.
    training_host_bytes: what offloading keeps in the host's memory.
    """

    weights_bytes: Amount
    kv_cache_bytes_per_token: Amount
    kv_cache_bytes: Amount
    kv_read_bytes: Amount
    activations_bytes: Amount
    total_bytes: Amount
    training_state_bytes: Amount
    training_activations_bytes: Amount
    training_total_bytes: Amount
    training_host_bytes: Amount


def count_memory(running: Running, parameters: Parameters, workload: Workload) -> Memory:
    """Return the bytes that `workload` asks of what is `running`."""
    sizes = running.sizes
    each = ACTIVATION_BYTES[workload.precision]
    weights = stored_weights(running, parameters, workload)
    last = smaller(workload.tokens_per_request, sizes.context_length)
    prompt = prompt_tokens(sizes, workload)
    kept = kept_bytes(running, prompt, last, each)
    alike = running.layer_cache_bytes is None and running.stages is None
    middle = at_most(workload.decode_position, sizes.context_length)
    read = workload.batch * kept_bytes(running, prompt, middle, each)
    activations = workload.batch * inference_activations(sizes, workload) * each
    state = training_device_bytes(running.stored, parameters, workload)
    forward = training_activations(running.stored, workload)
    return Memory(
        weights_bytes=weights,
        kv_cache_bytes_per_token=kept_bytes(running, 1, 1, each)
        if alike
        else -(-kept // smaller(last, reach(running))),
        kv_cache_bytes=workload.batch * kept,
        kv_read_bytes=read,
        activations_bytes=activations,
        total_bytes=weights + workload.batch * kept + activations,
        training_state_bytes=state,
        training_activations_bytes=forward,
        training_total_bytes=state + forward,
        training_host_bytes=training_host_bytes(parameters, workload),
    )


def stored_weights(running: Running, parameters: Parameters, workload: Workload) -> Amount:
    """Return the bytes of all weights, those of exits and routers included."""
    each = WEIGHT_BYTES[workload.precision]
    if running.matrix_bytes is not None:
        return (parameters.total - parameters.matrices) * each + running.matrix_bytes(each)
    return parameters.total * each


def kept_bytes(running: Running, prompt: Amount, read: Amount, number_bytes: int) -> Amount:
    """Return the bytes that all layers keep of one sequence.

    `read` tokens of it were read, the first `prompt` of them as a prompt.
    """
    found: Amount = 0
    for each in stages_of(running, prompt):
        tokens = each.tokens + each.later * (read - prompt)
        found = found + each.layers * layer_bytes(running, tokens, number_bytes)
    return found


def layer_bytes(running: Running, read: Amount, number_bytes: int) -> Amount:
    """Return the bytes that one layer keeps of one sequence, `read` tokens of which were read."""
    if running.layer_cache_bytes is not None:
        return running.layer_cache_bytes(read, number_bytes)
    return 2 * running.sizes.kv_width * number_bytes * smaller(read, reach(running))


def inference_activations(sizes: Sizes, workload: Workload) -> Amount:
    """Return the most numbers of one sequence that are alive at once during prefill.

    The residual stream and its norm stay; beside them either queries, keys, values and attention's
    output, or the inner vectors of the feed-forward part (of every expert visited); the T × T
    scores are never stored (Dao et al. 2022, FlashAttention, arXiv:2205.14135). One position's
    logits come last.
    """
    attention = 2 * (sizes.query_width + sizes.kv_width)
    feed_forward = sizes.experts_per_token * (1 + sizes.gated) * sizes.d_ff
    widest = larger(attention, feed_forward)
    return prompt_tokens(sizes, workload) * (2 * sizes.d_model + widest) + sizes.vocab_size
