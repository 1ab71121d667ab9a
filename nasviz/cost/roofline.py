"""How long one operation takes on a device: by a roofline, or looked up where it was measured.

On a published device an operation takes as long as its arithmetic or as its memory traffic,
whichever is longer (Williams et al. 2009, Roofline, doi:10.1145/1498765.1498785), at the share of
either peak that large operations reach. On a calibrated one the measured tables answer. Both are
`Clock`s, so that one composition of operations (`nasviz.cost.latency`) serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from nasviz.cost.grid import added
from nasviz.cost.hardware import Hardware
from nasviz.cost.measured import Factors, MeasuredRates
from nasviz.cost.sizes import Amount, Sizes, larger, where
from nasviz.cost.workload import ACTIVATION_BYTES, WEIGHT_BYTES

# How often a stream touches each of its numbers: read once and written once, or more.
_PASSES = MappingProxyType(
    {"add": 3, "multiply": 3, "rotate": 4, "argmax": 1}  # all others: 2
)


# What a layer launches whatever is switched on, and the part of it that is attention's.
_LAYER_LAUNCHES, _ATTENTION_LAUNCHES = 14, 9


class Clock(Protocol):
    """Seconds of each kind of operation."""

    def matmul_s(self, rows: Amount, inner: Amount, outer: Amount, cold: Amount) -> Amount:
        """Return the seconds of (rows, inner) × (inner, outer); `cold` from `cold_share`."""

    def cold_share(self, weights: Amount, cached: Amount) -> Amount:
        """Return how cold weights are (0 to 1) when a pass reads so many, and so many keys."""

    def prefill_attention_s(
        self, sizes: Sizes, batch: int, tokens: Amount, pairs: Amount
    ) -> Amount:
        """Return the seconds of attention among `tokens` tokens, of which `pairs` are seen."""

    def decode_attention_s(self, sizes: Sizes, batch: int, keys: Amount) -> Amount:
        """Return the seconds of attention of one token to `keys` keys."""

    def streams_s(self, times: Mapping[str, Amount], numbers: Amount) -> Amount:
        """Return the seconds of `STREAMS` over `numbers` numbers, each so many times."""

    def overhead_s(self, sizes: Sizes, experts: Amount) -> Amount:
        """Return the seconds of a pass that no operation above holds; `experts` are visited."""


@dataclass(frozen=True)
class Roofline:
    """A published device's rates in one precision, as its operations reach them."""

    flops_per_s: float
    bytes_per_s: float
    weight_bytes: float
    activation_bytes: float
    op_overhead_s: float

    def matmul_s(self, rows: Amount, inner: Amount, outer: Amount, cold: Amount) -> Amount:
        """Return the longer of arithmetic and traffic; weights always come from memory."""
        weights = inner * outer
        moved = weights * self.weight_bytes + rows * (inner + outer) * self.activation_bytes
        return larger(2 * rows * weights / self.flops_per_s, moved / self.bytes_per_s)

    def cold_share(self, weights: Amount, cached: Amount) -> Amount:
        """Return 1: caches are not published."""
        return 1

    def prefill_attention_s(
        self, sizes: Sizes, batch: int, tokens: Amount, pairs: Amount
    ) -> Amount:
        """Return the longer of arithmetic (the pairs seen) and traffic."""
        flops = 4 * batch * pairs * sizes.query_width
        numbers = 2 * batch * tokens * (sizes.query_width + sizes.kv_width)
        return self._longer(flops, numbers)

    def decode_attention_s(self, sizes: Sizes, batch: int, keys: Amount) -> Amount:
        """Return the longer of arithmetic and traffic, which is the cache's."""
        flops = 4 * batch * keys * sizes.query_width
        return self._longer(flops, 2 * batch * (sizes.query_width + keys * sizes.kv_width))

    def streams_s(self, times: Mapping[str, Amount], numbers: Amount) -> Amount:
        """Return the traffic's time."""
        passes = sum(each * _PASSES.get(kind, 2) for kind, each in times.items())
        return numbers * (passes * (self.activation_bytes / self.bytes_per_s))

    def overhead_s(self, sizes: Sizes, experts: Amount) -> Amount:
        """Return the launches of an eager pass times the seconds of one."""
        return launches(sizes, experts) * self.op_overhead_s

    def _longer(self, flops: Amount, numbers: Amount) -> Amount:
        return larger(flops / self.flops_per_s, numbers * self.activation_bytes / self.bytes_per_s)


@dataclass(frozen=True)
class Lookup:
    """A calibrated machine's tables in one precision, scaled to what they are inside a model."""

    rates: MeasuredRates
    factors: Factors
    weight_bytes: float
    activation_bytes: float

    def matmul_s(self, rows: Amount, inner: Amount, outer: Amount, cold: Amount) -> Amount:
        """Return the measured seconds, between warm and cold weights."""
        weights = inner * outer
        hot = self.rates.matmul_hot.at(rows, weights)
        seconds = hot + cold * (self.rates.matmul_cold.at(rows, weights) - hot)
        return self.factors.products * seconds

    def cold_share(self, weights: Amount, cached: Amount) -> Amount:
        """Return the measured share at so many bytes."""
        read = weights * self.weight_bytes + cached * self.activation_bytes
        return self.rates.cold_share.at(read)

    def prefill_attention_s(
        self, sizes: Sizes, batch: int, tokens: Amount, pairs: Amount
    ) -> Amount:
        """Return the measured seconds a head times the heads."""
        each = self.rates.prefill_attention.at(tokens, sizes.head_dim)
        seconds = self.rates.decode_fixed_s + batch * sizes.n_heads * each
        return self.factors.attention * seconds

    def decode_attention_s(self, sizes: Sizes, batch: int, keys: Amount) -> Amount:
        """Return the measured seconds of key/value heads and of the queries that share them."""
        first = self.rates.decode_attention.at(keys, sizes.head_dim)
        further = self.rates.decode_query.at(keys, sizes.head_dim)
        heads = sizes.n_kv_heads * first + (sizes.n_heads - sizes.n_kv_heads) * further
        return self.factors.attention * (self.rates.decode_fixed_s + batch * heads)

    def streams_s(self, times: Mapping[str, Amount], numbers: Amount) -> Amount:
        """Return the measured seconds; kinds that all candidates have alike are read as one."""
        curves = self.rates.streams
        alike = {
            kind: float(np.asarray(each).item())
            for kind, each in times.items()
            if np.size(each) == 1 and np.any(each)
        }
        seconds: Amount = 0.0
        if alike:
            seconds = added([curves[kind] for kind in alike], list(alike.values())).at(numbers)
        for kind, each in times.items():
            if np.size(each) > 1:
                seconds = seconds + each * curves[kind].at(numbers)
        return self.factors.streams * seconds

    def overhead_s(self, sizes: Sizes, experts: Amount) -> Amount:
        """Return what the probes took beyond their operations.

        A part alone takes the share of a layer that its launches are.
        """
        seconds = self.rates.overheads_s
        plain, attention = seconds["layer"], _ATTENTION_LAUNCHES / _LAYER_LAUNCHES
        attended = attention * plain + sizes.rope * seconds["rope"]
        attended = attended + sizes.qk_norm * seconds["qk_norm"]
        fed = (1 - attention) * plain + sizes.gated * seconds["gated"]
        fed = fed + sizes.routed * experts * seconds["expert"]
        layer = where(sizes.attends, attended) + where(sizes.feeds, fed)
        inside = self.factors.overhead * (seconds["model"] + sizes.n_layers * layer)
        return inside + self.factors.pass_s


@dataclass(frozen=True)
class Clocks:
    """The clock of reading a prompt and that of generating."""

    prefill: Clock
    decode: Clock


def lookups(rates: MeasuredRates, precision: str) -> Clocks:
    """Return the clocks of measured rates."""
    widths = WEIGHT_BYTES[precision], ACTIVATION_BYTES[precision]
    return Clocks(
        Lookup(rates, rates.prefill_factors, *widths), Lookup(rates, rates.decode_factors, *widths)
    )


def clocks(hardware: Hardware, precision: str) -> Clocks:
    """Return the clocks of `hardware` in `precision`: measured where it was, else a roofline."""
    computed = hardware.computed_in(precision)
    if hardware.measured is not None and computed in hardware.measured.rates:
        return lookups(hardware.measured.rates[computed], precision)
    peak = Roofline(
        flops_per_s=hardware.peak_flops_per_s(precision) * hardware.matmul_efficiency,
        bytes_per_s=hardware.bandwidth_bytes_per_s * hardware.bandwidth_efficiency,
        weight_bytes=WEIGHT_BYTES[precision],
        activation_bytes=ACTIVATION_BYTES[precision],
        op_overhead_s=hardware.op_overhead_s,
    )
    return Clocks(peak, peak)


def launches(sizes: Sizes, experts: Amount) -> Amount:
    """Return how many operations an eager forward pass launches.

    Attention: a norm, four projections, two cache writes, attention itself, a residual sum. Feed-
    forward: a norm, two matrices, a non-linearity, a residual sum. More for what is switched on.
    Besides the layers: embedding, final norm, head, argmax.
    """
    attended = _ATTENTION_LAUNCHES + 2 * sizes.qk_norm + 6 * sizes.rope
    fed = _LAYER_LAUNCHES - _ATTENTION_LAUNCHES + 2 * sizes.gated
    fed = fed + sizes.routed * (8 + 8 * (experts - 1))
    layer = where(sizes.attends, attended) + where(sizes.feeds, fed)
    return sizes.n_layers * layer + 4 + sizes.learned
