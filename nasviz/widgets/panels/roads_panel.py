"""Both roads to the child's sizes: quality against compute, and where scratch overtakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nasviz.execution.twin import PAID, Paid
from nasviz.plots.prune_or_scratch import PruneOrScratch
from nasviz.study.road_curves import BothRoads
from nasviz.study.trial import Trial
from nasviz.widgets.compression_words import roads_words
from nasviz.widgets.figure_view import FigureView
from nasviz.widgets.html import Html, alert, heading, note, text
from nasviz.widgets.knobs import Knob, Knobs

_NOTHING = "Heal a choice: its road, and its twin's from scratch, grow here."


_TWIN = "Train the same sizes from scratch, for as much compute"
_PAID = (
    "How much compute the twin gets. In full, as if this were the parent's only child; or its "
    "share, as all children of the parent use the same training."
)


class RoadsPanel:
    """The figure of `BothRoads`, what it says in words, and the button that trains the twin.

    `twin` gets what the twin is paid.
    """

    def __init__(self, twin: Callable[[Paid], None]) -> None:
        self._drawn: tuple[int, Any] | None = None
        self.title = ipywidgets.HTML(heading("Pruned or from scratch"))
        self.figure = FigureView(
            label="Bits per byte against training compute, pruned and from scratch",
            height="280px",
            placeholder="no roads yet",
        )
        self.said = ipywidgets.HTML()
        rows = [Knob("paid", "The twin gets", "select", _PAID, tuple(PAID), tuple(PAID.values()))]
        self.paid = Knobs(rows, {"paid": "whole"}, title="Twin")
        self.twin = ipywidgets.Button(description="Train its twin from scratch")
        self.twin.on_click(lambda _button: twin(self.paid.values["paid"]))
        self.refused = ipywidgets.HTML()
        start = ipywidgets.HBox([self.twin])
        start.add_class("nv-actions")
        start.add_class("nv-needs-kernel")
        self.rival = ipywidgets.VBox([self.paid, start, self.refused])
        self.view = ipywidgets.VBox([self.title, self.figure, self.said, self.rival])
        self.clear()
        self.offer(None, None)

    def offer(self, child: Trial | None, twin: Trial | None) -> None:
        """Let the twin of `child` be trained where it can be, or say why not."""
        self.rival.layout.display = "none" if child is None or twin is not None else None
        self.twin.disabled = child is None or child.state != "complete" or twin is not None
        ready = child is None or child.state == "complete"
        late = (
            ""
            if ready or child is None
            else (f"What trial {child.number} costs in all is known when it is complete")
        )
        self.twin.tooltip = late or _TWIN

    def refuse(self, problem: str) -> None:
        """Say why no twin was stored."""
        self.refused.value = alert(problem) if problem else Html("")

    def clear(self, problem: str = "") -> None:
        """Show no roads, and why."""
        self._drawn = None
        self.figure.clear()
        self.title.value = heading("Pruned or from scratch")
        self.figure.layout.display = "none"
        self.said.value = alert(problem) if problem else note(text(_NOTHING))

    def show(self, roads: BothRoads, child: Trial, twin: Trial | None) -> None:
        """Show how far a child and its twin have come."""
        rival = "" if twin is None else f" and trial {twin.number}, its twin"
        self.title.value = heading(
            "Pruned or from scratch", text(f"trial {child.number}, pruned{rival}")
        )
        self.said.value = Html(roads_words(roads, child, twin))
        self.figure.layout.display = None
        self._draw(record_of(roads), child.number)

    def _draw(self, record: PruneOrScratch, number: int) -> None:
        from nasviz.plots.legend_row import refresh_with_legend
        from nasviz.plots.prune_or_scratch import draw_prune_or_scratch, prune_or_scratch_content

        if self._drawn is None or self._drawn[0] != number:
            self._drawn = (number, draw_prune_or_scratch(record))
            self.figure.show(self._drawn[1])
            return
        with self.figure.hold():
            refresh_with_legend(self._drawn[1], prune_or_scratch_content(record))


def record_of(roads: BothRoads) -> PruneOrScratch:
    """Return the figure's record."""
    shared = roads.shared if roads.children > 1 else None
    return PruneOrScratch(roads.parent, roads.pruned, shared, roads.scratch, roads.overtaken)
