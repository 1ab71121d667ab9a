"""The roofline: how long one kind of operation takes on a device.

An operation takes as long as its arithmetic or as its memory traffic, whichever is longer
(Williams et al. 2009, Roofline, doi:10.1145/1498765.1498785), at the share of either peak that
large operations reach. Launching is counted apart, see `nasviz.cost.latency`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nasviz.cost.hardware import Hardware
from nasviz.cost.sizes import Amount, larger
from nasviz.cost.workload import ACTIVATION_BYTES, WEIGHT_BYTES


@dataclass(frozen=True)
class Roofline:
    """A device's rates in one precision, as its operations reach them."""

    flops_per_s: float
    bytes_per_s: float
    weight_bytes: float
    activation_bytes: float

    def matmul_s(self, rows: Amount, inner: Amount, outer: Amount, copies: Amount = 1) -> Amount:
        """Return the seconds of `copies` products (rows, inner) × (inner, outer) with weights."""
        weights = copies * inner * outer
        flops = 2 * rows * weights
        moved = (
            weights * self.weight_bytes + copies * rows * (inner + outer) * self.activation_bytes
        )
        return larger(flops / self.flops_per_s, moved / self.bytes_per_s)

    def attention_s(self, flops: Amount, numbers: Amount) -> Amount:
        """Return the seconds of attention's two products over `numbers` read and written."""
        return larger(flops / self.flops_per_s, numbers * self.activation_bytes / self.bytes_per_s)

    def elementwise_s(self, numbers: Amount) -> Amount:
        """Return the seconds of reading and writing `numbers` activations."""
        return numbers * self.activation_bytes / self.bytes_per_s


def roofline(hardware: Hardware, precision: str) -> Roofline:
    """Return the roofline of `hardware` in `precision`."""
    return Roofline(
        flops_per_s=hardware.peak_flops_per_s(precision) * hardware.matmul_efficiency,
        bytes_per_s=hardware.bandwidth_bytes_per_s * hardware.bandwidth_efficiency,
        weight_bytes=WEIGHT_BYTES[precision],
        activation_bytes=ACTIVATION_BYTES[precision],
    )
