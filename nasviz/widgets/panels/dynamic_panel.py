"""Dynamic inference: how the models are run, searched together with their sizes."""

from __future__ import annotations

from typing import Any

import ipywidgets

from nasviz.errors import InputError
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.labels import short_label, value_label
from nasviz.widgets.option_space import (
    MODES,
    mode_of,
    searched_settings,
    setting_values,
    starting_ranges,
    usual_values,
    with_mode,
    with_range,
)
from nasviz.widgets.state import ExplorerState

TITLE = "Dynamic inference"


class DynamicPanel:
    """A row an option of inference (off, on, both), and under it a row for each of its settings.

    What stands here is part of the state's space: what it searches, counts, draws and exports.
    """

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.knobs = Knobs(
            self._rows(), self._values(), title=TITLE, summary=self._summary(), folds=True
        )
        self.view = ipywidgets.VBox([self.knobs])
        self.knobs.on_values(self._change)
        state.observe(lambda _change: self._show(), names=["space", "ranges"])

    def _change(self, values: dict[str, Any]) -> None:
        """Bring one changed knob to the space, or to the ranges where that is enough."""
        before = self._values()
        changed = [name for name, value in values.items() if before.get(name) != value]
        if not changed:
            return
        try:
            space, ranges = self._changed(changed[0], values[changed[0]])
        except InputError as problem:
            self.knobs.errors = {changed[0]: str(problem)}
            self.knobs.values = before
            return
        self.knobs.errors = {}
        self.state.search_in(space, ranges)

    def _changed(self, name: str, value: Any) -> tuple[SearchSpace, dict[str, Any]]:
        """Return the space and the ranges once the knob `name` stands at `value`."""
        space, ranges = self.state.space, dict(self.state.ranges)
        for kind in OPTIONS:
            if name == kind.NAME:
                space = with_mode(space, kind, value)
                return space, starting_ranges(space, ranges)
            for field in searched_settings(kind):
                if name == field.name:
                    space = with_range(space, field, value)
                    ranges.pop(name, None)
                    if name in space.names:
                        ranges[name] = value
        return space, starting_ranges(space, ranges)

    def _show(self) -> None:
        rows, values = self._rows(), self._values()
        self.knobs.summary = self._summary()
        if [row.to_json() for row in rows] != self.knobs.knobs:
            self.knobs.show_rows(rows, values)
        elif values != self.knobs.values:
            self.knobs.values = values

    def _rows(self) -> list[Knob]:
        rows: list[Knob] = []
        for kind in OPTIONS:
            rows.append(mode_knob(kind))
            if mode_of(self.state.space, kind) != "off":
                rows += setting_knobs(kind)
        return rows

    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for kind in OPTIONS:
            values[kind.NAME] = mode_of(self.state.space, kind)
            if values[kind.NAME] != "off":
                for field in searched_settings(kind):
                    values[field.name] = setting_values(self.state.space, self.state.ranges, field)
        return values

    def _summary(self) -> str:
        on = [kind.LABEL.lower() for kind in OPTIONS if mode_of(self.state.space, kind) != "off"]
        said = "off" if not on else on[0] if len(on) == 1 else f"{len(on)} options"
        return f"{TITLE}\n{said}"


def mode_knob(kind: type[Option]) -> Knob:
    """Return the row that switches an option off, on, or both."""
    return Knob(
        kind.NAME,
        kind.LABEL,
        "one",
        help=f"{kind.HELP} Both: models with it and without it are searched side by side.",
        values=MODES,
        reference=kind.REFERENCE,
    )


def setting_knobs(kind: type[Option]) -> list[Knob]:
    """Return a row for each setting of an option: a slider with two ends, or a chip a choice."""
    rows = []
    for field in searched_settings(kind):
        values = usual_values(field)
        rows.append(
            Knob(
                field.name,
                short_label(field),
                "range" if field.kind in ("integer", "real") else "choices",
                help=field.help,
                values=values,
                labels=tuple(value_label(field, value).replace("_", " ") for value in values),
                reference=field.reference,
                unit=field.unit,
            )
        )
    return rows
