"""What the card says of a candidate, as functions from records to HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nasviz.cost.units import NO_BREAK, quantity
from nasviz.cost.workload import Workload
from nasviz.execution.results import load_words
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.layer_sizes import one_by_one
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
from nasviz.widgets.origin_words import family_words
from nasviz.widgets.policy_words import policy_rows

if TYPE_CHECKING:
    from nasviz.cost.estimate import Cost
    from nasviz.quality.records import Quality

# A figure's label, what it reads of a cost, its unit and a line of help.
_Figure = tuple[str, "Callable[[Cost], Any]", str, str]

_NOTHING = "Click a point of the map, or a row of the trials table: its sizes and costs show here."


@dataclass(frozen=True, eq=False)
class PricedCandidate:
    """A candidate with its cost; `static` is that of the same model without its policy, if any.

    `basis` says what an expected cost rests on: a prior, or the trial that saw the policy run.
    """

    candidate: Candidate
    cost: Cost
    static: Cost | None = None
    basis: str = ""

    def figure(self, of: Callable[[Cost], Any], unit: str = "") -> Html:
        """Return a figure with its unit; under a policy, "static → expected" where they differ."""
        now = quantity(float(of(self.cost)), unit)
        before = now if self.static is None else quantity(float(of(self.static)), unit)
        if before == now:
            return bold(now)
        (number, _, prefixed), (_, _, same) = before.partition(NO_BREAK), now.partition(NO_BREAK)
        shown = number if prefixed == same else before  # the unit once, where it is one
        return join([text(f"{shown} → "), bold(now)])


def summary(
    priced: PricedCandidate | None, expected: Quality | None, trials: Sequence[Trial]
) -> Html:
    """Return the head of the card: the drawing beside quality and the first figures.

    `expected` is what is known without training; `trials` are the candidate's own, latest first.
    """
    if priced is None:
        return note(text(_NOTHING))
    architecture = priced.candidate.architecture
    cost = priced.cost
    rows = [
        *weight_rows(cost),
        (
            "time / token",
            bold(quantity(float(cost.latency.time_per_output_token_s), "s")),
            _TIME[3],
        ),
        ("kind", text(_kind(architecture.mlp, architecture.position)), ""),
        *_layer_rows(architecture),
    ]
    title = tag("div", text(architecture.title), css="nv-card-title")
    right = tag("div", title, key_values(rows))
    top = tag("div", draw_architecture(architecture), right, css="nv-card-top")
    quality = tag("div", key_values(quality_rows(expected, trials)), css="nv-quality")
    return join([top, _policy(priced.candidate), quality])


def _layer_rows(architecture: Architecture) -> list[tuple[str, Html, str]]:
    """Return the sizes of each layer where they differ, from the first layer to the last."""
    if not architecture.layer_sizes:
        return []
    rows = (
        ("heads", "n_heads", "Heads of each layer from the first; 0 is a layer without attention."),
        ("feed-forward", "d_ff", "Inner width of each layer from the first; 0 is without one."),
    )
    return [
        (label, text(one_by_one(architecture.layer_sizes, name)), help_)
        for label, name, help_ in rows
    ]


def weight_rows(cost: Cost) -> list[tuple[str, Html, str]]:
    """Return how many weights there are, and how many of them a token uses where some rest."""
    total, active = float(cost.parameters.total), float(cost.parameters.active)
    rows = [("weights", bold(quantity(total)), "All weights of the model.")]
    if active < total:
        help_ = "Weights that one token uses: all but the experts it doesn't visit."
        rows.append(("active weights", bold(quantity(active)), help_))
    return rows


def _policy(candidate: Candidate) -> Html:
    """Return how the candidate is run, an option a row; nothing for a static one."""
    if not candidate.inference:
        return Html("")
    return tag("div", key_values(policy_rows(candidate.inference)), css="nv-quality nv-policy")


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
        family = family_words(trained)
        if family:
            rows.append(("made", text(family), "Which trial its weights, or its sizes, come from."))
        whole = trained.result.get("static_bits_per_byte")
        if whole is not None:
            help_ = "The same weights with every layer for every token."
            rows.append(("without its policy", text(f"{whole:.3f}"), help_))
        accuracy = trained.result.get("accuracy")
        if accuracy is not None:
            rows.append(("accuracy", text(f"{accuracy:.1%}"), "Next tokens guessed right."))
        load = trained.result.get("expert_load")
        if load is not None:
            help_ = "The least and the most that an expert of a layer gets of held-out text."
            rows.append(("an expert gets", text(load_words(load["layers"])), help_))
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


_TIME: _Figure = (
    "time / token", lambda cost: cost.latency.time_per_output_token_s, "s",
    "One more token, predicted for the chosen hardware.",
)  # fmt: skip
_COSTS: tuple[_Figure, ...] = (
    ("operations / token", lambda cost: cost.flops.decode_per_token, "FLOP",
     "Matrix products of one more token, 2 a multiply-add."),
    ("time to first token", lambda cost: cost.latency.time_to_first_token_s, "s",
     "Reading the whole prompt."),
    ("memory", lambda cost: cost.memory.total_bytes, "B",
     "Weights, key/value cache and activations while serving."),
    ("cache / token", lambda cost: cost.memory.kv_cache_bytes_per_token, "B",
     "Keys and values kept for each token of a text."),
    ("energy / token", lambda cost: cost.energy.token_j, "J",
     "The device's power for the time of one token: an upper bound."),
    ("training / token", lambda cost: cost.flops.training_per_token, "FLOP",
     "Forward and backward pass of one token."),
)  # fmt: skip


def cost_rows(priced: PricedCandidate, workload: Workload) -> Html:
    """Return the key figures of a candidate's cost with their units."""
    # Without a policy the time stands at the card's head, and there is nothing to hold it against.
    shown = _COSTS if priced.static is None else (_TIME, *_COSTS)
    rows = [(label, priced.figure(of, unit), help_) for label, of, unit, help_ in shown]
    said = Html("")
    if priced.basis:
        said = tag("div", text(f"static → expected, {priced.basis}"), css="nv-hint")
    return Html(heading("Cost", text(workload_words(workload))) + said + key_values(rows))


def workload_words(workload: Workload) -> str:
    """Return a workload in a line: `256 → 128 tokens · batch 1 · fp32`."""
    return (
        f"{workload.prompt_tokens:,} → {workload.generated_tokens:,} tokens · "
        f"batch {workload.batch:,} · {workload.precision}"
    )
