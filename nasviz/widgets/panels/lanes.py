"""Two texts side by side while both are written, and what set them apart at the end."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from nasviz.cost.hardware import Hardware
from nasviz.execution.written import Report
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.self_speculation import SelfSpeculation
from nasviz.widgets.authoring import Asked, Hand
from nasviz.widgets.html import Html, heading, join, tag, text
from nasviz.widgets.writing_words import (
    comparison_words,
    context_words,
    pace_words,
    parted_words,
)
from nasviz.widgets.written_text import WrittenText, places_of


class Lanes:
    """Shows the two texts of a race, or of a replay, as their reports come."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.title = ipywidgets.HTML()
        self.heads = (ipywidgets.HTML(), ipywidgets.HTML())
        self.texts = tuple(WrittenText(label=f"{each} text") for each in ("left", "right"))
        self.said = ipywidgets.HTML()
        lanes = [
            ipywidgets.VBox([head, shown])
            for head, shown in zip(self.heads, self.texts, strict=True)
        ]
        side_by_side = ipywidgets.HBox(lanes)
        side_by_side.add_class("nv-lanes")
        self.view = ipywidgets.VBox([self.title, side_by_side, self.said])
        self.view.add_class("nv-column")
        self.view.add_class("nv-below")
        self.clear()

    def clear(self) -> None:
        """Take both texts off the page."""
        self.view.layout.display = "none"
        self.said.value = Html("")
        for each in self.texts:
            each.clear()

    def begin(self, title: str, names: Sequence[str]) -> None:
        """Make room for two new texts of these names."""
        self.clear()
        self.names = tuple(names)
        self.title.value = heading(title)
        for head, name in zip(self.heads, names, strict=True):
            head.value = heading(name)
        self.view.layout.display = None

    def show(
        self,
        report: Report,
        asked: Asked,
        hands: Sequence[Hand],
        hardware: Hardware,
    ) -> None:
        """Show how two texts stand, each written by one of `hands`."""
        if report.failed:
            return  # said where the order was given
        both = zip(self.texts, self.heads, self.names, report.texts, hands, strict=True)
        for shown, head, name, written, hand in both:
            shown.show(
                asked.prompt, written, places_of(hand.policy, hand.n_layers), kept=report.begin,
                parted_at=report.parted_at,
            )  # fmt: skip
            head.value = Html(heading(name) + pace_words(written))
        if report.done:
            guessed = asked.temperature > 0 and any(_guesses(each.policy) for each in hands)
            self.said.value = join([
                parted_words(report, guessed),
                *(tag("div", text(each), css="nv-hint") for each in context_words(report.texts[1])),
                comparison_words(self.names, report, hardware),
            ])  # fmt: skip


def _guesses(policy: InferencePolicy) -> bool:
    return policy.get(SelfSpeculation) is not None
