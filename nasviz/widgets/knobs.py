"""`Knobs`: a column of sliders, choices and fields in one small widget, made from plain data.

One widget holds a whole panel's rows, so that a panel is on the page after three messages instead
of three a slider, and so that rows answer in the browser while the kernel is busy. Sliders move
over *positions* in a list of values whose labels Python wrote: no number is formatted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import anywidget
import ipywidgets
import traitlets

from nasviz.space.field import Field

HERE = Path(__file__).parent

KnobKind = Literal["range", "slider", "select", "choices", "one", "switch", "number", "text"]


@dataclass(frozen=True)
class Knob:
    """One row: what it is called, what it may be set to, and a line of help.

    `range` holds a pair of `values`, `slider`, `select` and `one` (a chip each) one of them,
    `choices` a non-empty list of them, `switch` a bool, `number` and `text` what was typed.
    `labels` are the values' texts.
    """

    name: str
    label: str
    kind: KnobKind
    help: str = ""
    values: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    reference: str = ""
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what the browser needs to draw this row."""
        labels = self.labels or tuple(str(value) for value in self.values)
        return {**asdict(self), "values": list(self.values), "labels": list(labels)}


def knob_of(field: Field, kind: KnobKind, values: Sequence[Any], labels: Sequence[str]) -> Knob:
    """Return the row of a field of the catalogue: its label, help and reference are the field's."""
    return Knob(
        field.name,
        field.label,
        kind,
        help=field.help,
        values=tuple(values),
        labels=tuple(labels),
        reference=field.reference,
        unit=field.unit,
    )


@dataclass(frozen=True)
class Forward:
    """The trait that follows a knob; `codes`, where given, stand for the values it has chosen."""

    trait: str
    codes: tuple[int, ...] | None = None


class Knobs(anywidget.AnyWidget):
    """Rows of knobs with their `values` by name.

    While a slider is dragged `values` changes in the browser only, for whatever is linked there,
    and reaches the kernel on release; with `live` it reaches the kernel all along. `summary` puts
    the rows into a small menu that opens under that text; with `folds` it is a heading that they
    fold away under (a second line of it stands at its right). `errors` are shown under their rows.
    """

    _esm = HERE / "knobs.js"

    knobs = traitlets.List(traitlets.Dict()).tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    errors = traitlets.Dict().tag(sync=True)
    summary = traitlets.Unicode().tag(sync=True)
    folds = traitlets.Bool(False).tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    _target = traitlets.Unicode().tag(sync=True)
    _forwards = traitlets.Dict().tag(sync=True)

    def __init__(
        self, knobs: Sequence[Knob], values: Mapping[str, Any], title: str, **options: Any
    ) -> None:
        rows = [knob.to_json() for knob in knobs]
        super().__init__(knobs=rows, values=dict(values), title=title, **options)

    def on_values(self, act: Callable[[dict[str, Any]], None]) -> None:
        """Call `act` with all values by name whenever one was changed, here or in the browser."""
        self.observe(lambda change: act(change.new), names="values")

    def forward(self, target: ipywidgets.Widget, forwards: Mapping[str, Forward]) -> None:
        """Write values to traits of `target` in the browser, as they change, kernel or no kernel.

        `forwards` maps a knob's name to the trait that follows it.
        """
        with self.hold_sync():
            self._target = target.model_id
            self._forwards = {name: asdict(each) for name, each in forwards.items()}

    def show_rows(self, knobs: Sequence[Knob], values: Mapping[str, Any]) -> None:
        """Replace the rows and their values at once."""
        with self.hold_sync():
            self.knobs = [knob.to_json() for knob in knobs]
            self.values = dict(values)
