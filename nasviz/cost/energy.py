"""Energy: the device's power for as long as it is busy.

Convention of Patterson et al. 2021 (arXiv:2104.10350) without the data centre's overhead: joules
= the device's power limit × seconds. It is an upper bound, since memory-bound work draws less than
the limit; host and cooling are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from nasviz.cost.hardware import Hardware
from nasviz.cost.latency import Latency
from nasviz.cost.sizes import Amount
from nasviz.cost.workload import Workload


@dataclass(frozen=True, eq=False)
class Energy:
    """Joules: of one request (prompt and generated tokens), and of one generated token."""

    request_j: Amount
    token_j: Amount


def joules(seconds: Amount, hardware: Hardware) -> Amount:
    """Return the joules that a device spends in so many busy seconds, an upper bound.

    The seconds may be predicted or measured: the power is the profile's, so it is an estimate.
    """
    return seconds * hardware.power_w


def predict_energy(latency: Latency, workload: Workload, hardware: Hardware) -> Energy:
    """Return the joules of `workload`; a batch shares its device's seconds evenly."""
    return Energy(
        request_j=joules(latency.request_s, hardware) / workload.batch,
        token_j=joules(latency.time_per_output_token_s, hardware) / workload.batch,
    )
