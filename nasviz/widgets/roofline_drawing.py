"""A small drawing of the roofline: what limits reading the prompt, and what limits each token."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nasviz.cost.estimate import Cost
from nasviz.cost.hardware import Hardware
from nasviz.cost.units import quantity
from nasviz.cost.workload import Workload
from nasviz.widgets.html import Html, text

WIDTH, HEIGHT = 276, 118
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 268, 14, 92


@dataclass(frozen=True)
class Roof:
    """What a device reaches at most: operations and bytes a second."""

    flops_per_s: float
    bytes_per_s: float

    @classmethod
    def of(cls, hardware: Hardware, precision: str) -> Roof:
        """Return the roof of a device, at the share of its peaks that large operations reach."""
        return cls(
            hardware.peak_flops_per_s(precision) * hardware.matmul_efficiency,
            hardware.bandwidth_bytes_per_s * hardware.bandwidth_efficiency,
        )


@dataclass(frozen=True)
class Work:
    """One phase of a request: FLOP a byte of memory traffic, and the FLOP/s that it reaches."""

    name: str
    intensity: float
    flops_per_s: float


def phases(cost: Cost, workload: Workload) -> tuple[Work, Work]:
    """Return reading the prompt and writing one token, as points under the roof.

    Traffic is the weights once, and the cache written or read; activations stay near the core.
    """
    weights = float(cost.memory.weights_bytes)
    prompt_cache = float(cost.memory.kv_cache_bytes)
    prefill = float(cost.flops.prefill)
    decode = float(cost.flops.decode_per_token) * workload.batch
    return (
        Work(
            "prompt",
            prefill / (weights + prompt_cache),
            prefill / float(cost.latency.time_to_first_token_s),
        ),
        Work(
            "token",
            decode / (weights + float(cost.memory.kv_read_bytes)),
            decode / float(cost.latency.time_per_output_token_s),
        ),
    )


def draw_roofline(cost: Cost, workload: Workload, hardware: Hardware) -> Html:
    """Return the roof of `hardware` with both phases under it, on logarithmic axes."""
    machine = Roof.of(hardware, workload.precision)
    works = phases(cost, workload)
    ridge = machine.flops_per_s / machine.bytes_per_s
    low = math.log10(min(ridge, *(work.intensity for work in works))) - 0.5
    high = math.log10(max(ridge, *(work.intensity for work in works))) + 0.7
    top = math.log10(machine.flops_per_s) + 0.15
    lowest = math.log10(min(work.flops_per_s for work in works))
    bottom = lowest - max(0.3, 0.3 * (top - lowest))  # room for a name above the axis

    def x(intensity: float) -> float:
        return _LEFT + (math.log10(intensity) - low) / (high - low) * (_RIGHT - _LEFT)

    def y(rate: float) -> float:
        share = (math.log10(rate) - bottom) / (top - bottom)
        return _BOTTOM - min(1.0, max(0.0, share)) * (_BOTTOM - _TOP)

    start = max(10**low, 10**bottom / machine.bytes_per_s)
    roof = (
        f"M{x(start):.1f} {y(start * machine.bytes_per_s):.1f}"
        f"L{x(ridge):.1f} {y(machine.flops_per_s):.1f}L{_RIGHT} {y(machine.flops_per_s):.1f}"
    )
    points = "".join(_point(work, x(work.intensity), y(work.flops_per_s)) for work in works)
    words = text(" ".join(spoken(work, machine) for work in works))
    return Html(
        f'<svg class="nv-roof" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">'
        f"<title>{words}</title>"
        f'<path class="nv-roof-grid" d="M{_LEFT} {_BOTTOM}H{_RIGHT}"/>'
        f'<path class="nv-roof-line" d="{roof}"/>{points}'
        f'<text x="{_RIGHT}" y="{y(machine.flops_per_s) - 4:.1f}" text-anchor="end">'
        f"{text(quantity(machine.flops_per_s, 'FLOP/s'))}</text>"
        f'<text x="{(_LEFT + _RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        "operations for each byte moved (log)</text></svg>"
    )


def spoken(work: Work, machine: Roof) -> str:
    """Return in words what limits a phase."""
    limit = "memory" if work.intensity * machine.bytes_per_s < machine.flops_per_s else "arithmetic"
    return (
        f"{work.name}: {quantity(work.intensity)} FLOP a byte, "
        f"{quantity(work.flops_per_s, 'FLOP/s')}, limited by {limit}."
    )


def _point(work: Work, x: float, y: float) -> str:
    return (
        f'<circle class="nv-roof-{work.name}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        f'<text x="{x + 7:.1f}" y="{y + 14:.1f}">{work.name}</text>'
    )
