"""Lifetime cost: training once, then serving every request.

Sardana et al. 2024 (Beyond Chinchilla-Optimal, arXiv:2401.00448): the more a model is asked, the
more it pays to train a smaller one on more tokens. With a `target_loss` every candidate is
trained for as long as it needs to reach it, so that the cheapest size shrinks as requests grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nasviz.chinchilla import ALPHA, BETA, A, B, E
from nasviz.cost.energy import Energy
from nasviz.cost.flops import Flops
from nasviz.cost.hardware import Hardware
from nasviz.cost.parameters import Parameters
from nasviz.cost.sizes import Amount
from nasviz.cost.workload import Workload


@dataclass(frozen=True, eq=False)
class Lifetime:
    """What a model costs from its first training step to its last request.

    training_tokens: read in training. training_flops, serving_flops, total_flops: operations.
    training_s: on all the workload's devices. training_j, serving_j, total_j: joules.
    serving_share: the requests' part of `total_flops`.
    """

    training_tokens: Amount
    training_flops: Amount
    serving_flops: Amount
    total_flops: Amount
    training_s: Amount
    training_j: Amount
    serving_j: Amount
    total_j: Amount
    serving_share: Amount


def predict_lifetime(
    parameters: Parameters, flops: Flops, energy: Energy, workload: Workload, hardware: Hardware
) -> Lifetime:
    """Return the lifetime cost of `workload`; training runs at the device's large-matmul rate."""
    tokens = training_tokens(parameters, workload)
    training = tokens * flops.training_per_token
    serving = workload.requests * flops.request
    rate = hardware.peak_flops_per_s(workload.training_precision) * hardware.matmul_efficiency
    busy_s = training / rate
    training_j = busy_s * hardware.power_w
    serving_j = workload.requests * energy.request_j
    total = training + serving
    return Lifetime(
        training_tokens=tokens,
        training_flops=training,
        serving_flops=serving,
        total_flops=total,
        training_s=busy_s / workload.devices,
        training_j=training_j,
        serving_j=serving_j,
        total_j=training_j + serving_j,
        serving_share=serving / total,  # 0 where training never ends
    )


def training_tokens(parameters: Parameters, workload: Workload) -> Amount:
    """Return how many tokens a candidate is trained on (see `Workload`)."""
    if workload.training_tokens is not None:
        return workload.training_tokens + 0 * parameters.active
    if workload.target_loss is not None:
        return tokens_for_loss(parameters.active, workload.target_loss)
    return workload.tokens_per_parameter * parameters.active


def tokens_for_loss(weights: Amount, loss: float) -> Amount:
    """Return the tokens that a model of `weights` weights needs to reach `loss` nats a token.

    Infinite where a model of that size never does. Law and constants: `nasviz.chinchilla`.
    """
    gap = loss - E - A * np.asarray(weights, dtype=np.float64) ** -ALPHA
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap > 0, (B / gap) ** (1 / BETA), np.inf)
