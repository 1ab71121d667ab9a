"""Limits: at most so many weights, so much time or memory; and a number of weights to meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.units import quantity
from nasviz.widgets.html import heading, text
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.sample import Sample
from nasviz.widgets.state import ExplorerState

LIMITED: Mapping[str, str] = MappingProxyType(
    {
        "parameters_total": "Weights",
        "time_per_output_token_s": "Time / token",
        "memory_total_bytes": "Memory",
        "energy_per_token_j": "Energy",
    }
)
TARGET = "target"
_NICE = (1.0, 1.25, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)

_TARGET_KNOB = Knob(
    TARGET,
    "Weights ≈",
    "number",
    help="Solves for the sizes: of each candidate the embedding size is set so that the model has "
    "about this many weights. Empty: any number.",
    labels=("any",),
)


class LimitsPanel:
    """A slider for each limited cost, whose right end is no limit, and the target."""

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.knobs = Knobs(self._rows({}), self._values(), title="Limits")
        self.view = ipywidgets.VBox(
            [ipywidgets.HTML(heading("Limits", text("on the chosen hardware"))), self.knobs]
        )
        self.knobs.on_values(self._limit)
        state.observe(lambda _change: self._show(), names=["limits", "target"])
        state.observe(lambda change: self._set_scale(change.new), names="sample")

    def _set_scale(self, sample: Sample) -> None:
        """Let each slider run over the costs that the whole space has."""
        half = len(sample) // 2  # the part of a sample that doesn't move with the sliders
        rows = self._rows({name: sample.costs[name][:half] for name in LIMITED})
        if [row.to_json() for row in rows] != self.knobs.knobs:
            self.knobs.show_rows(rows, self._values())

    def _rows(self, costs: Mapping[str, NDArray[Any]]) -> list[Knob]:
        return [*(limit_knob(name, costs.get(name)) for name in LIMITED), _TARGET_KNOB]

    def _values(self) -> dict[str, Any]:
        limits = {name: self.state.limits.get(name) for name in LIMITED}
        return {**limits, TARGET: self.state.target}

    def _limit(self, values: dict[str, Any]) -> None:
        target = values.get(TARGET)
        if isinstance(target, str) or (target is not None and target <= 0):
            self.knobs.errors = {TARGET: f"{target} is not a number of weights, such as 2,000,000"}
            return
        self.knobs.errors = {}
        limits = {name: values[name] for name in LIMITED if values.get(name) is not None}
        with self.state.hold_trait_notifications():
            self.state.limits = {**self._unlisted(), **limits}
            self.state.target = None if target is None else float(target)

    def _unlisted(self) -> dict[str, float]:
        """Return limits that were set from Python on costs without a slider here."""
        return {name: most for name, most in self.state.limits.items() if name not in LIMITED}

    def _show(self) -> None:
        if self.knobs.values != self._values():
            self.knobs.values = self._values()


def limit_knob(name: str, costs: NDArray[Any] | None) -> Knob:
    """Return the slider of one limit, from the least to the most that `costs` hold."""
    column = COST_COLUMNS[name]
    steps = [] if costs is None else nice_steps(float(np.min(costs)), float(np.max(costs)))
    labels = [f"≤ {quantity(step, column.unit)}" for step in steps]
    return Knob(
        name,
        LIMITED[name],
        "slider",
        help=f"{column.help} The right end sets no limit.",
        values=(*steps, None),
        labels=(*labels, "any"),
    )


def nice_steps(least: float, most: float) -> Sequence[float]:
    """Return round numbers, about ten a decade, from just above `least` to just above `most`."""
    if not 0 < least <= most or not np.isfinite(most):
        return []
    decades = range(int(np.floor(np.log10(least))), int(np.floor(np.log10(most))) + 2)
    steps = [float(f"{nice * 10.0**decade:.3g}") for decade in decades for nice in _NICE]
    above = [step for step in steps if step >= most][:1]
    return [*(step for step in steps if least < step < most), *above]
