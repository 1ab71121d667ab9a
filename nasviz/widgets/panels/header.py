"""The header: which study, whether its worker lives, on what hardware, for which workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nasviz.cost.calibrated import THIS_MACHINE
from nasviz.cost.hardware import Hardware
from nasviz.cost.profiles import PROFILES
from nasviz.cost.workload_fields import WORKLOAD_FIELDS
from nasviz.errors import InputError
from nasviz.widgets.card_html import workload_words
from nasviz.widgets.code import explorer_code
from nasviz.widgets.copy_button import CopyButton
from nasviz.widgets.html import Html, bold, join, tag, text
from nasviz.widgets.knobs import Knob, Knobs, knob_of
from nasviz.widgets.panels.study_panel import StudyPanel
from nasviz.widgets.state import ExplorerState, StudySnapshot

CALIBRATE = "calibrate"

_WORKER_WORDS = {
    "none": ("no worker yet", ""),
    "starting": ("worker starting", "busy"),
    "ready": ("worker ready", "ready"),
    "busy": ("worker training", "busy"),
    "lost": ("worker lost", "lost"),
}

_WORKLOAD_KNOBS = tuple(
    knob_of(field, "select" if field.choices else "number", field.choices, field.choices)
    for field in (
        WORKLOAD_FIELDS[name]
        for name in ("prompt_tokens", "generated_tokens", "batch", "precision", "requests")
    )
)


_GUIDE = (
    "Each point of the map is a model that could be built; darker means more of them.",
    "Sliders on the left narrow the space, limits cut off what costs too much.",
    "Dynamic inference, folded below them, searches how models run: off, on, or both side by side.",
    "A click picks a candidate: the card on the right says what it is made of and what it costs.",
    "Before anything is trained, quality is expected from published laws, and says so.",
    "Train measures it: an orange point, ringed if it runs dynamically. Search trains many.",
    "The Dynamic tab moves a trained model's exit threshold and shows where each token left.",
    "The Compression tab takes parts of a trained model away, heals it, and trains its rival.",
    "Rest on any name for an explanation; everything can be reached with Tab and arrow keys.",
)


class Header:
    """The line on top.

    `calibrate` is called when this machine is to be measured, `switch` with the address and name of
    another study; `export` is the menu of files to take away.
    """

    def __init__(
        self,
        state: ExplorerState,
        calibrate: Callable[[], None],
        switch: Callable[[str, str | None], None],
        export: ipywidgets.Widget,
    ) -> None:
        self.state = state
        self._calibrate = calibrate
        self.brand = ipywidgets.HTML(tag("span", text("nasviz"), css="nv-brand"))
        self.study = StudyPanel(state, switch)
        self.pills = ipywidgets.HTML()
        self.hardware = Knobs([], {}, title="Hardware")
        self.hardware.add_class("nv-inline")
        self.workload = Knobs(
            _WORKLOAD_KNOBS, self._workload_values(), title="Workload", summary="workload"
        )
        self.copy = CopyButton(
            label="copy as code", help="Python that opens the explorer as it stands"
        )
        guide = ipywidgets.HTML(help_menu())
        tools = ipywidgets.HBox([self.hardware, self.workload, export, self.copy, guide])
        tools.add_class("nv-header-tools")
        self.view = ipywidgets.HBox([self.brand, self.study.menu, self.pills, tools])
        self.view.add_class("nv-header")
        self.hardware.on_values(self._choose_hardware)
        self.workload.on_values(self._change_workload)
        state.observe(lambda _change: self._show_study(), names=["study", "notice"])
        state.observe(lambda _change: self._show_hardware(), names="hardware")
        state.observe(lambda _change: self._show_workload(), names="workload")
        state.observe(
            lambda _change: self._write_code(),
            names=["ranges", "limits", "selection", "workload", "hardware", "corpus", "study"],
        )
        self._show_study()
        self._show_hardware()
        self._show_workload()
        self._write_code()

    def _write_code(self) -> None:
        self.copy.text = explorer_code(self.state)

    def _show_study(self) -> None:
        self.pills.value = study_pills(self.state.study, self.state.notice)

    def _show_hardware(self) -> None:
        rows = [hardware_knob(self.state.hardware)]
        name = self.state.hardware.name if self.state.hardware is not None else None
        self.hardware.show_rows(rows, {"hardware": name})

    def _choose_hardware(self, values: dict[str, Any]) -> None:
        name = values.get("hardware")
        current = self.state.hardware.name if self.state.hardware is not None else None
        if name is None or name == current:
            return
        if name == CALIBRATE:
            self._show_hardware()
            self._calibrate()
        else:
            self.state.hardware = Hardware.named(name)

    def _workload_values(self) -> dict[str, Any]:
        return {knob.name: getattr(self.state.workload, knob.name) for knob in _WORKLOAD_KNOBS}

    def _show_workload(self) -> None:
        self.workload.summary = workload_words(self.state.workload)
        self.workload.values = self._workload_values()

    def _change_workload(self, values: dict[str, Any]) -> None:
        if values == self._workload_values():
            return
        try:
            self.state.workload = self.state.workload.with_(**values)
        except InputError as problem:
            wrong = next((name for name in values if name in str(problem)), "requests")
            self.workload.errors = {wrong: str(problem)}
        else:
            self.workload.errors = {}


def help_menu() -> Html:
    """Return the `?` that opens a few lines on how to use the explorer."""
    lines = tag("ul", *(tag("li", text(line)) for line in _GUIDE))
    return tag(
        "details",
        tag("summary", text("?"), css="nv-pill", aria_label="How to use the explorer"),
        tag("div", lines, role="group", aria_label="How to use the explorer"),
        css="nv-menu nv-guide",
    )


def study_pills(study: StudySnapshot, notice: str = "") -> Html:
    """Return the state of a study's worker with counts of its trials, and a notice."""
    words, dot = _WORKER_WORDS[study.worker]
    counts = [bold(f"{study.count('complete'):,} trained")]
    for state, label in (("running", "running"), ("waiting", "waiting"), ("failed", "failed")):
        if study.count(state):
            counts.append(text(f"{study.count(state):,} {label}"))
    worker = join(
        [tag("i", css=f"nv-dot nv-dot-{dot}"), text(words), text("·"), join(counts, " · ")], " "
    )
    pills = [tag("span", worker, css="nv-pill", role="status")]
    if notice:
        pills.append(tag("span", text(notice), css="nv-pill", role="status"))
    if study.problem:
        pills.append(tag("span", text(study.problem), css="nv-alert", role="alert"))
    return tag("div", *pills, css="nv-pills")


def hardware_knob(current: Hardware | None) -> Knob:
    """Return the list of devices: this machine first, then the published profiles."""
    names = [*PROFILES, CALIBRATE]
    labels = [profile.label for profile in PROFILES.values()] + ["measure this machine (20 s) …"]
    if current is not None and current.name not in PROFILES:
        names.insert(0, current.name)
        label = "this machine (calibrated)" if current.name == THIS_MACHINE else current.label
        labels.insert(0, label)
    return Knob(
        "hardware",
        "Hardware",
        "select",
        help="The device whose times, memory and energy are predicted.",
        values=tuple(names),
        labels=tuple(labels),
    )
