"""The candidate card: drawing, sizes to edit, quality with its source, costs and where they go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.space.candidate import Candidate
from nasviz.space.dimensions import Dimension
from nasviz.widgets.breakdown import breakdown_html
from nasviz.widgets.card_html import PricedCandidate, cost_rows, summary
from nasviz.widgets.code import candidate_code
from nasviz.widgets.copy_button import CopyButton
from nasviz.widgets.editing import editable, edited, size_of
from nasviz.widgets.html import Html, heading, text
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.labels import short_label, value_label
from nasviz.widgets.observed import observed_of
from nasviz.widgets.panels.space_panel import dimension_values
from nasviz.widgets.roofline_drawing import draw_roofline
from nasviz.widgets.state import ExplorerState


class Card:
    """The selected candidate: everything known of it, and what can be done with it."""

    def __init__(self, state: ExplorerState, train: Callable[[], None]) -> None:
        self.state = state
        self.top = ipywidgets.HTML()
        self.sizes = Knobs([], {}, title="Sizes of the candidate", live=True)
        self.figures = ipywidgets.HTML()
        self.roof = ipywidgets.HTML()
        self.undo = _button("undo", "Back to the candidate before this one", state.undo)
        self.pin = _button("pin", "Keep this candidate marked on the map", self._pin)
        self.copy = CopyButton(label="copy code", help="Python that makes this candidate")
        self.train = ipywidgets.Button(
            description="Train this", tooltip="Train this candidate for real, on this machine"
        )
        self.train.add_class("nv-first")
        self.train.add_class("nv-needs-kernel")
        self.train.on_click(lambda _button: train())
        tools = ipywidgets.HBox([self.undo, self.pin, self.copy])
        tools.add_class("nv-tools")
        actions = ipywidgets.HBox([self.train])
        actions.add_class("nv-actions")
        title = ipywidgets.HTML(heading("Candidate"))
        self.view = ipywidgets.VBox(
            [
                ipywidgets.VBox([title, tools, self.top, actions, self.sizes]),
                ipywidgets.VBox([self.figures, self.roof]),
            ]
        )
        self.sizes.on_values(self._edit)
        state.observe(
            lambda _change: self._show(),
            names=["selection", "workload", "hardware", "study", "pinned", "prior", "exits"],
        )
        self._show()

    def _pin(self) -> None:
        if self.state.selection is not None:
            self.state.toggle_pin(self.state.selection)

    def _edit(self, values: dict[str, Any]) -> None:
        """Take the one size that was changed on the card into a new selection."""
        candidate = self.state.selection
        if candidate is None:
            return
        for dimension in editable(self.state.space):
            before = size_of(candidate.architecture, dimension)
            value = values.get(dimension.name, before)
            if value == before:
                continue
            try:
                architecture, followed = edited(
                    candidate.architecture, self.state.space, dimension.name, value
                )
                changed = Candidate(architecture, candidate.inference)
            except InputError as problem:
                self.sizes.errors = {dimension.name: str(problem)}
                return
            self.state.select(changed)
            self.sizes.errors = {
                name: f"follows {short_label(dimension.field).lower()}: sizes must divide"
                for name in followed
            }
            return

    def _show(self) -> None:
        state, candidate = self.state, self.state.selection
        self.undo.disabled = not state.can_undo
        self.pin.disabled = self.train.disabled = candidate is None
        self.pin.description = "unpin" if candidate in state.pinned else "pin"
        if candidate is None:
            self.top.value = summary(None, None, ())
            self.figures.value = self.roof.value = Html("")
            self.sizes.show_rows([], {})
            return
        priced = self._priced(candidate)
        cost = priced.cost
        expected = state.prior.of_candidate(candidate) if state.prior is not None else None
        self.top.value = summary(priced, expected, state.study.of(candidate))
        self.figures.value = Html(cost_rows(priced, state.workload) + breakdown_html(cost))
        self.roof.value = Html(
            heading("Roofline", text(state.hardware.label))
            + draw_roofline(cost, state.workload, state.hardware)
        )
        self.copy.text = candidate_code(candidate)
        self._show_sizes(candidate)

    def _priced(self, candidate: Candidate) -> PricedCandidate:
        """Return the candidate with its cost, by what a trial saw of its policy where one did."""
        state = self.state
        if not candidate.inference:
            return PricedCandidate(candidate, estimate(candidate, state.workload, state.hardware))
        static = estimate(candidate.architecture, state.workload, state.hardware)
        observed, basis = self._observed(candidate)
        cost = estimate(candidate, state.workload, state.hardware, observed=observed)
        return PricedCandidate(candidate, cost, static, basis)

    def _observed(self, candidate: Candidate) -> tuple[Observed, str]:
        """Return what was seen of a candidate's policy, and where.

        By a trial of its own, else by one that differs in the exits' thresholds alone.
        """
        found = observed_of(self.state.study.of(candidate))
        if found is not None:
            return found[1], f"by what trial {found[0].number} saw"
        reading = self.state.exits
        seen = reading.observed(candidate) if reading is not None else None
        if seen is not None:
            return seen, f"by what trial {reading.trial.number}'s exits said of held-out text"
        return Observed(), "from priors, not measured"

    def _show_sizes(self, candidate: Candidate) -> None:
        sizes = {
            each.name: size_of(candidate.architecture, each) for each in editable(self.state.space)
        }
        shown = {row["name"]: row["values"] for row in self.sizes.knobs}
        if all(size in shown.get(name, ()) for name, size in sizes.items()):
            # The same rows: a thumb that is being dragged must not lose its row.
            self.sizes.values = sizes
            return
        rows = [size_knob(each, sizes[each.name]) for each in editable(self.state.space)]
        self.sizes.show_rows(rows, sizes)


def size_knob(dimension: Dimension, size: Any) -> Knob:
    """Return the row that edits one size; a size outside the space gets a place on its slider."""
    field = dimension.field
    values = dimension_values(dimension)
    if size not in values:
        numeric = field.kind in ("integer", "real")
        values = tuple(sorted((*values, size))) if numeric else (*values, size)
    numeric_row = field.kind in ("integer", "real")
    return Knob(
        dimension.name,
        short_label(field),
        "slider" if numeric_row else "select",
        help=field.help,
        values=values,
        labels=tuple(value_label(field, value) for value in values),
        reference=field.reference,
    )


def _button(label: str, tooltip: str, act: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=label, tooltip=tooltip)
    button.add_class("nv-quiet")
    button.on_click(lambda _button: act())
    return button
