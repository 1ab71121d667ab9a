"""Where a candidate's weights, operations, bytes and seconds go: parts by name, for the bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nasviz.cost.estimate import Cost
from nasviz.cost.units import quantity
from nasviz.widgets.html import Html, join, legend, stacked_bar

# What the parts of the cost model are called on the page; one colour each in the style sheet.
_SECONDS = {
    "attention_s": "attention",
    "scores_s": "scores",
    "feed_forward_s": "feed_forward",
    "head_s": "head",
    "elementwise_s": "elementwise",
    "overhead_s": "launching",
}
_OPERATIONS = ("attention", "scores", "feed_forward", "router", "head")
_WEIGHTS = ("embedding", "attention", "feed_forward", "router", "norm", "head", "additions")
_BYTES = {
    "weights_bytes": "weights",
    "kv_cache_bytes": "cache",
    "activations_bytes": "activations",
}


@dataclass(frozen=True)
class Breakdown:
    """One bar: what is split, its unit, and each part's amount."""

    title: str
    unit: str
    parts: Mapping[str, float]

    @property
    def html(self) -> Html:
        """The bar with a readable amount in each part's tooltip."""
        readable = {name: quantity(amount, self.unit) for name, amount in self.parts.items()}
        return stacked_bar(self.title, self.parts, readable)


def breakdowns(cost: Cost) -> tuple[Breakdown, ...]:
    """Return the four bars of one candidate's cost."""
    return (
        Breakdown("weights", "", _parts(cost.parameters, {name: name for name in _WEIGHTS})),
        Breakdown(
            "operations / token",
            "FLOP",
            _parts(cost.flops.decode_parts, {name: name for name in _OPERATIONS}),
        ),
        Breakdown("memory", "B", _parts(cost.memory, _BYTES)),
        Breakdown("time / token", "s", _parts(cost.latency.decode_parts, _SECONDS)),
    )


def _parts(record: Any, names: Mapping[str, str]) -> dict[str, float]:
    return {said: float(getattr(record, name)) for name, said in names.items()}


def breakdown_html(cost: Cost) -> Html:
    """Return the four bars, and a legend for the parts of the model."""
    bars = breakdowns(cost)
    shown = dict.fromkeys(
        name
        for bar in bars
        for name, amount in bar.parts.items()
        if amount > 0 and name not in _BYTES.values()
    )
    return join([*(bar.html for bar in bars), legend(shown)])
