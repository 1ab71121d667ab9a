"""Bytes of training: state by ZeRO stage and offload, and activations kept for the backward.

Convention: Rajbhandari et al. 2020 (ZeRO, arXiv:1910.02054) with the bytes a weight that
DeepSpeed's estimators for ZeRO-2 and ZeRO-3 use in 16-bit training with Adam (2 of weights and 2
of gradients in 16 bits; 4 of gradients, 4 of master weights and 8 of moments in fp32), which a
test compares. In fp32 there is no 16-bit copy; ZeRO's partition is still a copy of the weights.
All `devices` are on one host.
"""

from __future__ import annotations

from nasviz.cost.parameters import Parameters
from nasviz.cost.sizes import Amount, Sizes, larger, where
from nasviz.cost.workload import Workload

# DeepSpeed's factor for the buffers that offloading needs on the host.
HOST_BUFFERS = 1.5


def training_device_bytes(sizes: Sizes, parameters: Parameters, workload: Workload) -> Amount:
    """Return the bytes of weights, gradients and optimizer state on each device."""
    weights, gradients, optimizer = _state_bytes(parameters, workload)
    share = workload.devices
    stage = workload.zero_stage
    if stage < 3:
        if stage >= 1:
            optimizer = optimizer / share
        if stage == 2:
            gradients = gradients / share
        if workload.offload != "none":
            # Stage 2 streams gradients to the host as they are made; stage 1 keeps them.
            return weights + (gradients if stage == 1 else 0)
        return weights + gradients + optimizer
    # One layer at a time is gathered whole, weights and gradients.
    live = 2 * _working_bytes(workload) * largest_layer(sizes)
    if workload.offload == "all":
        return live
    if workload.offload == "optimizer":
        return live + weights / share
    return live + (weights + optimizer) / share


def training_host_bytes(parameters: Parameters, workload: Workload) -> Amount:
    """Return the bytes that offloading keeps on the host, for all devices together."""
    if workload.offload == "none":
        return 0 * parameters.total
    weights, _, optimizer = _state_bytes(parameters, workload)
    if workload.zero_stage < 3:
        # The host gathers the fp32 gradients of every device (4 bytes each).
        staged = larger(optimizer, 4 * workload.devices * parameters.total)
        return staged * HOST_BUFFERS
    held = optimizer + (weights if workload.offload == "all" else 0)
    return held * HOST_BUFFERS


def _working_bytes(workload: Workload) -> int:
    return 4 if workload.training_precision == "fp32" else 2


def _state_bytes(parameters: Parameters, workload: Workload) -> tuple[Amount, Amount, Amount]:
    """Return the undivided bytes of weights, of gradients and of all that the optimizer holds."""
    total = parameters.total
    working = _working_bytes(workload)
    moments = 8 * total
    if workload.optimizer == "muon":
        moments = moments - 4 * parameters.matrices  # one momentum in place of two moments
    mixed = working == 2
    # fp32 gradients in 16-bit training (at stage 3 they take the 16-bit ones' place), and a
    # master copy of the weights in 16-bit training or in ZeRO's own partition.
    fp32_gradients = 4 * total if mixed else 0
    master = 4 * total if mixed or workload.zero_stage > 0 else 0
    gradients = working * total
    optimizer = fp32_gradients + master + moments
    if workload.zero_stage == 3 and not mixed:
        optimizer = optimizer + gradients
    return working * total, gradients, optimizer


def largest_layer(sizes: Sizes) -> Amount:
    """Return the weights of the largest single matrix."""
    positions = sizes.learned * (sizes.context_length + sizes.extra_positions)
    rows = larger(larger(sizes.vocab_size, positions), larger(sizes.d_ff, sizes.query_width))
    return sizes.d_model * rows


def training_activations(sizes: Sizes, workload: Workload) -> Amount:
    """Return the bytes that the forward keeps for the backward on each device.

    Counts what each operation saves, as in Korthikanti et al. 2023 (arXiv:2205.05198) with
    attention's scores recomputed by its kernel. With checkpointing each layer keeps its input
    and one layer at a time is whole. Logits and their softmax are kept in fp32 at every position.
    """
    each = _working_bytes(workload)
    d_model, query, kv = sizes.d_model, sizes.query_width, sizes.kv_width
    attention = (
        where(sizes.attends, 2 * d_model)  # the norm's input, and its output: the projections'
        + 2 * query + 2 * kv  # queries, keys, values; attention's output
        + sizes.qk_norm * (query + kv)
        + sizes.rope * (query + kv)
    )  # fmt: skip
    # Inner vectors before and after the non-linearity; a gated part keeps the product as well.
    inner = (2 + 2 * sizes.gated) * sizes.d_ff * sizes.experts_per_token
    layer = attention + where(sizes.feeds, 2 * d_model) + inner
    tokens = workload.training_batch * sizes.context_length
    if workload.activation_checkpointing:
        kept = sizes.n_layers * d_model + layer
    else:
        kept = sizes.n_layers * layer
    return tokens * (each * (kept + 2 * d_model) + 2 * 4 * sizes.vocab_size)
