"""The trials: a table with failures and their reasons, and two of them beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from nasviz.cost.units import NOT_KNOWN, duration, quantity
from nasviz.space.architecture import NAMES
from nasviz.space.fields import FIELDS
from nasviz.space.layer_sizes import one_by_one, span
from nasviz.study.trial import Request, Trial
from nasviz.training.fields import BUDGETS
from nasviz.widgets.data_table import Cell, DataTable, TableColumn
from nasviz.widgets.html import Html, bold, heading, table, tag, text
from nasviz.widgets.origin_words import origin_words
from nasviz.widgets.panels.trial_actions import TrialActions
from nasviz.widgets.policy_words import policy_phrase
from nasviz.widgets.state import ExplorerState

COLUMNS = (
    TableColumn("number", "trial", "Its number in the study."),
    TableColumn("state", "state", "Waiting, running, paused, complete, failed or cancelled."),
    TableColumn("layers", "layers"),
    TableColumn("width", "width", "Embedding size."),
    TableColumn("heads", "heads"),
    TableColumn("vocabulary", "vocabulary"),
    TableColumn("context", "context"),
    TableColumn("inference", "inference", "How it runs: static, or its options."),
    TableColumn("weights", "weights"),
    TableColumn("bits_per_byte", "bits/byte", "Of held-out text that no search saw."),
    TableColumn("accuracy", "accuracy", "Next tokens guessed right."),
    TableColumn("tokens", "tokens", "Trained on, repeats included."),
    TableColumn("seconds", "time", "Of training, without scoring."),
    TableColumn(
        "origin", "origin", "Who asked for it, or which trial it was made from.", words=True
    ),
    TableColumn("reason", "why it ended", "Of trials that failed or were cancelled.", words=True),
)

_KINDS = {"complete": "good", "failed": "trained", "running": "prior", "cancelled": "prior"}
_EMPTY = "No trials yet: pick a candidate on the map and press “Train this”."


class TrialsTab:
    """The table of trials; picking a row makes its candidate the selection.

    `request` asks something of a trial by number: of the picked one, by the buttons below.
    """

    def __init__(self, state: ExplorerState, request: Callable[[int, Request], None]) -> None:
        self.state = state
        self._shown = ("", "")
        self.table = DataTable(COLUMNS, title="Trials of the study", empty=_EMPTY)
        self.comparison = ipywidgets.HTML()
        self.actions = TrialActions(state, request)
        self.reason = ipywidgets.HTML()
        self.view = ipywidgets.VBox([self.table, self.reason, self.actions.view, self.comparison])
        self.view.add_class("nv-column")
        self.view.add_class("nv-tall")
        self.table.observe(self._pick, names="picked")
        self.table.observe(lambda _change: self._say_why(), names="picked")
        self.table.observe(lambda _change: self._compare(), names="compared")
        state.observe(lambda _change: self._show(), names="study")
        state.observe(lambda _change: self._mark(), names="selection")
        self._show()

    def _show(self) -> None:
        study, trials = self.state.study, self.state.study.trials
        if study.place != self._shown:
            # Numbers mean other trials now.
            self._shown = study.place
            self.table.picked, self.table.compared = None, []
        self.table.show({trial.number: trial_cells(trial) for trial in reversed(trials)})
        self._mark()
        self._say_why()
        self._compare()

    def _pick(self, change: Any) -> None:
        trial = self.state.study.trial(change.new)
        if trial is not None:
            self.state.select(trial.candidate)
            self.state.watched = trial.number

    def _mark(self) -> None:
        """Mark the row of the selection, if one of its trials is not marked already."""
        own = self.state.study.of(self.state.selection)
        if self.table.picked not in [trial.number for trial in own]:
            self.table.picked = own[0].number if own else None

    def _say_why(self) -> None:
        """Say in full why the picked trial ended: in its row there is little room."""
        trial = self.state.study.trial(self.table.picked)
        if trial is None or not trial.reason:
            self.reason.value = Html("")
            return
        words = f"Trial {trial.number} {trial.state}: {trial.reason}"
        self.reason.value = tag("p", text(words), css="nv-hint")

    def _compare(self) -> None:
        found = [self.state.study.trial(number) for number in self.table.compared]
        pair = [trial for trial in found if trial is not None]
        self.comparison.value = comparison(pair)


def trial_cells(trial: Trial) -> dict[str, Cell]:
    """Return a trial's row of the table."""
    sizes, result = trial.candidate.architecture, trial.result
    run = policy_phrase(trial.candidate.inference)

    def whole(value: int) -> Cell:
        return Cell(f"{value:,}", value)

    def measured(name: str, form: str) -> Cell:
        value = result.get(name)
        return Cell(NOT_KNOWN) if value is None else Cell(format(value, form), value)

    def amount(name: str, unit: str = "") -> Cell:
        value = result.get(name)
        return Cell(NOT_KNOWN) if value is None else Cell(quantity(value, unit), value)

    return {
        "number": whole(trial.number),
        "state": Cell(trial.state, trial.state, _KINDS.get(trial.state, "prior")),
        "layers": whole(sizes.n_layers),
        "width": whole(sizes.d_model),
        "heads": Cell(span(sizes.sizes_by_layer, "n_heads"), sizes.n_heads),
        "vocabulary": whole(sizes.vocab_size),
        "context": whole(sizes.context_length),
        "inference": Cell(run, run),
        "weights": amount("parameters"),
        "bits_per_byte": measured("bits_per_byte", ".3f"),
        "accuracy": measured("accuracy", ".1%"),
        "tokens": amount("tokens"),
        "seconds": Cell(duration(result.get("seconds")), result.get("seconds")),
        "origin": Cell(origin_words(trial), origin_words(trial)),
        "reason": Cell(trial.reason, trial.reason or None),
    }


def comparison(trials: Sequence[Trial]) -> Html:
    """Return what differs between two trials, or how to choose them."""
    if len(trials) < 2:
        return tag("p", text("Tick two trials to see what differs between them."), css="nv-hint")
    found = differences(trials)
    if not found:
        return tag("p", text("Nothing differs between these two trials."), css="nv-hint")
    rows = []
    for label, values in found:
        rows.append([text(label), *(bold(value) for value in values)])
    head = ["", *(f"trial {trial.number}" for trial in trials)]
    return Html(heading("Compare", text("what differs")) + table(head, rows))


def differences(trials: Sequence[Trial]) -> list[tuple[str, list[str]]]:
    """Return (label, one text a trial) for everything in which the trials differ."""
    labelled: dict[str, list[str]] = {}
    records = [_flat(trial) for trial in trials]
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record.get(name, NOT_KNOWN) for record in records]
        if len(set(values)) > 1:
            labelled[name] = values
    return list(labelled.items())


def _flat(trial: Trial) -> dict[str, str]:
    cells = trial_cells(trial)
    shown = (
        "inference",
        "origin",
        "bits_per_byte",
        "accuracy",
        "weights",
        "tokens",
        "seconds",
        "state",
    )
    labels = {column.name: column.label for column in COLUMNS}
    record = {labels[name]: cells[name].text for name in shown}
    sizes = trial.candidate.architecture
    record |= {_words(name): str(getattr(sizes, name)) for name in NAMES}
    if sizes.layer_sizes:
        record["heads of each layer"] = one_by_one(sizes.layer_sizes, "n_heads")
        record["feed-forward of each layer"] = one_by_one(sizes.layer_sizes, "d_ff")
    record |= dict(_planned(name, value) for name, value in trial.plan.items())
    record["corpus"] = trial.corpus
    return record


def _planned(name: str, value: Any) -> tuple[str, str]:
    """Return what is planned in words: a budget is another figure than what it came to."""
    label = f"planned {_words(name)}" if name in BUDGETS else _words(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return label, str(value)
    return label, quantity(value, "FLOP" if name == "flops" else "")


def _words(name: str) -> str:
    return FIELDS[name].label.lower() if name in FIELDS else name.replace("_", " ")
