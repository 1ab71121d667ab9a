"""Three ways to use fewer layers of one model: pruned, left by all at a fixed exit, or by some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.idle_layers import idle_layer_bytes
from nasviz.cost.units import NOT_KNOWN, number, quantity
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.kept import Kept
from nasviz.widgets.exit_reading import ExitReading
from nasviz.widgets.html import Html, bold, heading, table, tag, text
from nasviz.widgets.static_cost import static_cost


@dataclass(frozen=True)
class Way:
    """One way: layers that a token goes through, bytes held and never used, quality and time.

    bits_per_byte: on the calibration part, unhealed; None where it was not scored yet.
    """

    name: str
    layers: float
    weights_bytes: float
    idle_bytes: float
    bits_per_byte: float | None
    time_per_token_s: float


def pruned_way(
    child: Architecture, bits: float | None, workload: Workload, hardware: Hardware
) -> Way:
    """Return the pruned model: what is gone is not held."""
    cost = static_cost(child, workload, hardware)
    return Way(
        "pruned, as chosen", child.n_layers, float(cost.memory.weights_bytes), 0.0, bits,
        float(cost.latency.time_per_output_token_s),
    )  # fmt: skip


def fixed_exit_way(
    parent: Architecture, depth: int, bits: float | None, workload: Workload, hardware: Hardware
) -> Way:
    """Return the whole model left by every token after `depth` layers.

    It says and takes what the model of its first `depth` layers does, and holds the rest as well.
    """
    shallow = static_cost(
        Kept.of(parent, layers=range(depth)).architecture(parent), workload, hardware
    )
    held = static_cost(parent, workload, hardware).memory.weights_bytes
    return Way(
        f"fixed exit after {depth}", depth, float(held),
        idle_layer_bytes(parent, depth, workload), bits,
        float(shallow.latency.time_per_output_token_s),
    )  # fmt: skip


def dynamic_exit_way(
    reading: ExitReading, depth: int, workload: Workload, hardware: Hardware
) -> Way:
    """Return the model left by each token when it is sure, after at most `depth` layers on average.

    From the traces of its exits. Raises `InputError` where no threshold takes as few layers.
    """
    sweep = reading.answers(_criterion(reading)).calibration
    index = sweep.deepest_within(depth)
    shares = tuple(sweep.exit_shares[index].tolist())
    cost = estimate(reading.trial.candidate, workload, hardware, Observed(exit_shares=shares))
    return Way(
        f"dynamic exit, threshold {number(float(sweep.thresholds[index]))}",
        float(sweep.average_layers[index]), float(cost.memory.weights_bytes), 0.0,
        float(sweep.bits_per_byte[index]), float(cost.latency.time_per_output_token_s),
    )  # fmt: skip


def ways_table(ways: Sequence[Way], missing: str) -> Html:
    """Return the ways as a table; `missing` says which one can't be shown, and how to get it."""
    rows = [
        [
            text(way.name),
            text(number(way.layers)),
            text(quantity(way.weights_bytes, "B")),
            text(quantity(way.idle_bytes, "B") if way.idle_bytes else "none"),
            bold(NOT_KNOWN if way.bits_per_byte is None else f"{way.bits_per_byte:.3f}"),
            text(quantity(way.time_per_token_s, "s")),
        ]
        for way in ways
    ]
    head = ("way", "layers run", "weights held", "never used", "bits/byte", "time/token")
    said = (
        "Nothing is healed here. Bits per byte are of the calibration part, one pass each; times "
        "are predicted."
    )
    notes = [tag("div", text(each), css="nv-hint") for each in (missing, said) if each]
    title = heading("Three ways to use fewer layers")
    return Html(title + table(head, rows, css="nv-ways") + "".join(notes))


def missing_exits(reading: ExitReading | None, depth: int) -> str:
    """Return why there is no dynamic exit to show, and what to do; nothing where there is one."""
    if reading is None:
        return (
            "No dynamic exit to show: this parent kept no sweep of exits. Train its sizes with "
            "“Early exit” on (Dynamic inference, beside the sizes), and choose that trial as the "
            "parent."
        )
    try:
        reading.answers(_criterion(reading)).calibration.deepest_within(depth)
    except InputError as problem:
        return f"No dynamic exit to show: {problem}."
    return ""


def _criterion(reading: ExitReading) -> str:
    own = reading.option.criterion
    return own if own in reading.criteria else reading.criteria[0]
