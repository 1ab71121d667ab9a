"""Dynamic: a trained trial's exits, any threshold answered from what they said of real text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets

from nasviz.plots.exit_histogram import ExitHistogram
from nasviz.plots.exit_sweep import ExitSweepCurve
from nasviz.space.candidate import Candidate
from nasviz.study.trial import Trial
from nasviz.widgets.authoring import Authoring, Hand, trial_that_writes
from nasviz.widgets.exit_costs import Pricing
from nasviz.widgets.exit_reading import ExitReading
from nasviz.widgets.exit_words import (
    Target,
    arithmetic_words,
    empty_words,
    head_words,
    measured_words,
    outcome_words,
)
from nasviz.widgets.figure_view import FigureView
from nasviz.widgets.html import heading, text
from nasviz.widgets.panels.exit_controls import ExitControls, ExitSettings
from nasviz.widgets.panels.heat_panel import HeatPanel
from nasviz.widgets.panels.writing_panel import WritingPanel
from nasviz.widgets.state import ExplorerState


class DynamicTab:
    """Threshold, curve, histogram and text of the state's `exits`; says what to do without any.

    Below, whatever trained trial the selection has writes text (`WritingPanel`).
    """

    def __init__(self, state: ExplorerState, authoring: Authoring) -> None:
        self.state = state
        self._figures: tuple[Any, Any] | None = None
        self._priced: tuple[object, ExitSweepCurve] | None = None
        self.empty = ipywidgets.HTML()
        self.empty.add_class("nv-column")
        self.empty.add_class("nv-nothing")
        self.head = ipywidgets.HTML()
        self.said = ipywidgets.HTML()
        self.exactness = ipywidgets.HTML()
        self.measured = ipywidgets.HTML()
        self.controls = ExitControls(self._show)
        self.take = ipywidgets.Button(
            description="Set as the policy",
            tooltip="Make this criterion and threshold the candidate's own: it is the selection",
        )
        self.take.add_class("nv-first")
        self.take.on_click(lambda _button: self._take())
        self.curve = FigureView(
            label="Bits per byte against average cost, by exit threshold",
            height="270px",
            placeholder="drawing …",
        )
        self.histogram = FigureView(
            label="Share of tokens by the layers they went through",
            height="220px",
            placeholder="drawing …",
        )
        self.heat = HeatPanel()
        self.full = self._full()
        self.writing = WritingPanel(state, authoring, self.hand)
        self.view = ipywidgets.VBox([self.empty, self.full, self.writing.view])
        state.observe(lambda _change: self._take_up(), names="exits")
        state.observe(
            lambda _change: self._show_empty(), names=["exits_problem", "selection", "study"]
        )
        state.observe(lambda _change: self._price_anew(), names=["workload", "hardware", "study"])
        self._take_up()

    def _full(self) -> ipywidgets.VBox:
        actions = ipywidgets.HBox([self.take])
        actions.add_class("nv-actions")
        actions.add_class("nv-needs-kernel")
        quality = ipywidgets.HTML(heading("Quality against cost", text("test part")))
        depths = ipywidgets.HTML(heading("Where tokens leave", text("test part")))
        columns = [
            ipywidgets.VBox([
                self.head, self.controls.slider, self.controls.choices, self.said, actions,
            ]),
            ipywidgets.VBox([quality, self.curve, self.exactness]),
            ipywidgets.VBox([depths, self.histogram, self.measured]),
        ]  # fmt: skip
        for column in columns:
            column.add_class("nv-column")
        top = ipywidgets.HBox(columns)
        top.add_class("nv-tab")
        top.add_class("nv-dynamic")
        self.heat.view.add_class("nv-below")
        return ipywidgets.VBox([top, self.heat.view])

    def _take_up(self) -> None:
        """Show another trial's exits, or none."""
        reading = self.state.exits
        self.empty.layout.display = "none" if reading is not None else None
        self.full.layout.display = None if reading is not None else "none"
        if reading is None:
            self.heat.show(None, "", 1.0)
            self._show_empty()
            return
        self.controls.show(reading)
        self.head.value = head_words(reading.trial)
        self.measured.value = measured_words(reading.trial)
        self._show(self.controls.settings)

    def _show_empty(self) -> None:
        if self.state.exits is not None:
            return
        state = self.state
        own = [each for each in state.study.of(state.selection) if each.state == "complete"]
        said = empty_words(state.selection, state.study.trials, state.exits_problem)
        self.empty.value = said + measured_words(own[0] if own else None)

    def _price_anew(self) -> None:
        if self.state.exits is not None:
            self._show(self.controls.settings)

    def _show(self, settings: ExitSettings) -> None:
        """Show what a threshold comes to: words, both figures, and the text's colours."""
        reading = self.state.exits
        if reading is None:
            return
        answers = reading.answers(settings.criterion)
        target = None
        if settings.target is not None:
            chosen = float(answers.calibration.bits_per_byte[settings.index])
            whole = float(answers.calibration.bits_per_byte[-1])
            target = Target(settings.target, chosen / whole - 1)
        self.said.value = outcome_words(reading, answers, settings.index, target)
        self.exactness.value = arithmetic_words(reading, settings.criterion)
        # Figures last: their repaint is what takes the page longest.
        self.heat.show(reading, settings.criterion, threshold_of(reading, settings))
        curve = self._curve_of(reading, settings)
        allowed = curve.whole.bits_per_byte * (1 + target.share) if target is not None else None
        curve = replace(curve, chosen=settings.index, allowed=allowed)
        self._draw(curve, histogram_of(reading, settings))
        self.writing.refresh()

    def _draw(self, curve: ExitSweepCurve, histogram: ExitHistogram) -> None:
        from nasviz.plots.exit_histogram import draw_exit_histogram, exit_histogram_content
        from nasviz.plots.exit_sweep import draw_exit_sweep, exit_sweep_content
        from nasviz.plots.legend_row import refresh_with_legend

        if self._figures is None:
            self._figures = (draw_exit_sweep(curve), draw_exit_histogram(histogram))
            self.curve.show(self._figures[0])
            self.histogram.show(self._figures[1])
            return
        with self.curve.hold():
            refresh_with_legend(self._figures[0], exit_sweep_content(curve))
        with self.histogram.hold():
            refresh_with_legend(self._figures[1], exit_histogram_content(histogram))

    def _curve_of(self, reading: ExitReading, settings: ExitSettings) -> ExitSweepCurve:
        """Return the curve without a threshold, which is priced anew only if its cost changes."""
        state, criterion = self.state, settings.criterion
        pricing = Pricing(settings.cost, state.workload, state.hardware)
        asked = (reading, criterion, pricing, state.study.trials)
        if self._priced is None or self._priced[0] != asked:
            self._priced = (asked, exit_curve_of(reading, criterion, pricing, state.study.trials))
        return self._priced[1]

    def hand(self) -> Hand | None:
        """Return what writes: the selection's trained trial, at the threshold that is set."""
        state, reading = self.state, self.state.exits
        trial = trial_that_writes(state.study.trials, state.selection)
        if trial is None or state.selection is None:
            return None
        policy = state.selection.inference
        if reading is not None and reading.trial.number == trial.number and self.controls.moved:
            policy = self._set_candidate(reading).inference
        return Hand(trial, policy)

    def _set_candidate(self, reading: ExitReading) -> Candidate:
        """Return the trial's candidate at the threshold that is set."""
        settings = self.controls.settings
        return reading.with_threshold(settings.criterion, round(threshold_of(reading, settings), 6))

    def _take(self) -> None:
        if self.state.exits is not None:
            self.state.select(self._set_candidate(self.state.exits))


def threshold_of(reading: ExitReading, settings: ExitSettings) -> float:
    """Return the threshold that the knobs stand at."""
    return float(reading.answers(settings.criterion).test.thresholds[settings.index])


def exit_curve_of(
    reading: ExitReading, criterion: str, pricing: Pricing, trials: Sequence[Trial]
) -> ExitSweepCurve:
    """Return the curve of a reading on one criterion, with the study's static models beside it."""
    trial, option = reading.trial, reading.option
    sweep = reading.answers(criterion).test
    ran_here = option.criterion == criterion and not option.thresholds
    return ExitSweepCurve(
        pricing.cost.axis,
        sweep.thresholds,
        pricing.of_sweep(trial, sweep),
        sweep.bits_per_byte,
        pricing.of_whole(trial),
        measured=(pricing.of_run(trial, option.threshold),) if ran_here else (),
        static=pricing.of_static(trial, trials),
    )


def histogram_of(reading: ExitReading, settings: ExitSettings) -> ExitHistogram:
    """Return where tokens of the test part leave at a threshold."""
    sweep = reading.answers(settings.criterion).test
    return ExitHistogram(sweep.layers, tuple(sweep.exit_shares[settings.index].tolist()))
