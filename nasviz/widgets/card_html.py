"""What the card says of a candidate, as functions from records to HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasviz.cost.units import quantity
from nasviz.cost.workload import Workload
from nasviz.space.candidate import Candidate
from nasviz.study.trial import Trial
from nasviz.widgets.drawing import draw_architecture
from nasviz.widgets.html import (
    Html,
    bold,
    heading,
    join,
    key_values,
    note,
    source_tag,
    tag,
    text,
)

if TYPE_CHECKING:
    from nasviz.cost.estimate import Cost
    from nasviz.quality.records import Quality

_NOTHING = "Click a point of the map, or a row of the trials table: its sizes and costs show here."


def summary(
    candidate: Candidate | None,
    cost: Cost | None,
    expected: Quality | None,
    trials: Sequence[Trial],
) -> Html:
    """Return the head of the card: the drawing beside quality and the first figures.

    `expected` is what is known without training; `trials` are the candidate's own, latest first.
    """
    if candidate is None or cost is None:
        return note(text(_NOTHING))
    architecture = candidate.architecture
    rows = [
        ("weights", bold(quantity(float(cost.parameters.total))), "All weights of the model."),
        (
            "time / token",
            bold(quantity(float(cost.latency.time_per_output_token_s), "s")),
            "One more token, predicted for the chosen hardware.",
        ),
        ("kind", text(_kind(architecture.mlp, architecture.position)), ""),
    ]
    title = tag("div", text(architecture.title), css="nv-card-title")
    right = tag("div", title, key_values(rows))
    top = tag("div", draw_architecture(architecture), right, css="nv-card-top")
    quality = tag("div", key_values(quality_rows(expected, trials)), css="nv-quality")
    return join([top, quality])


def _kind(mlp: str, position: str) -> str:
    positions = {"learned": "learned positions", "rope": "rotary", "none": "no positions"}
    return f"{mlp}, {positions[position]}"


def quality_rows(expected: Quality | None, trials: Sequence[Trial]) -> list[tuple[str, Html, str]]:
    """Return bits per byte with their source: measured by a trial, or expected without one."""
    rows: list[tuple[str, Html, str]] = []
    trained = next((each for each in trials if each.state == "complete"), None)
    help_ = "Bits needed to write down a byte of held-out text: lower is better."
    if trained is not None:
        value = bold(f"{trained.result['bits_per_byte']:.3f}")
        rows.append(
            (
                "bits per byte",
                join([value, source_tag(f"trial {trained.number}", "trained")]),
                help_,
            )
        )
        accuracy = trained.result.get("accuracy")
        if accuracy is not None:
            rows.append(("accuracy", text(f"{accuracy:.1%}"), "Next tokens guessed right."))
    if expected is not None:
        interval = f" ({expected.low:.2f} – {expected.high:.2f})"
        value = join([bold(f"{expected.bits_per_byte:.2f}"), text(interval)])
        label = "expected" if trained is not None else "bits per byte"
        tagged = join([value, source_tag(expected.source, "prior")])
        note_ = f"{expected.note}. Nine times in ten between the two bounds, if trained by the "
        rows.append((label, tagged, note_ + "plan of the Training tab."))
    last = trials[0] if trials else None
    if last is not None and last.state != "complete":
        rows.append((f"trial {last.number}", source_tag(last.state, "prior"), last.reason))
    return rows


def cost_rows(cost: Cost, workload: Workload) -> Html:
    """Return the key figures of a candidate's cost with their units."""
    latency, memory, flops = cost.latency, cost.memory, cost.flops
    return Html(
        heading("Cost", text(workload_words(workload)))
        + key_values(
            [
                (
                    "operations / token",
                    text(quantity(float(flops.decode_per_token), "FLOP")),
                    "Matrix products of one more token, 2 a multiply-add.",
                ),
                (
                    "time to first token",
                    text(quantity(float(latency.time_to_first_token_s), "s")),
                    "Reading the whole prompt.",
                ),
                (
                    "memory",
                    text(quantity(float(memory.total_bytes), "B")),
                    "Weights, key/value cache and activations while serving.",
                ),
                (
                    "cache / token",
                    text(quantity(float(memory.kv_cache_bytes_per_token), "B")),
                    "Keys and values kept for each token of a text.",
                ),
                (
                    "energy / token",
                    text(quantity(float(cost.energy.token_j), "J")),
                    "The device's power for the time of one token: an upper bound.",
                ),
                (
                    "training / token",
                    text(quantity(float(flops.training_per_token), "FLOP")),
                    "Forward and backward pass of one token.",
                ),
            ]
        )
    )


def workload_words(workload: Workload) -> str:
    """Return a workload in a line: `256 → 128 tokens · batch 1 · fp32`."""
    return (
        f"{workload.prompt_tokens:,} → {workload.generated_tokens:,} tokens · "
        f"batch {workload.batch:,} · {workload.precision}"
    )
