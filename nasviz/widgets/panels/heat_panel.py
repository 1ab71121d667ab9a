"""Held-out text, a page at a time, coloured by the depth at which each token left."""

from __future__ import annotations

import ipywidgets
import numpy as np

from nasviz.plots.text_heat_map import heat_map_of
from nasviz.widgets.exit_reading import ExitReading
from nasviz.widgets.html import Html, heading, tag, text
from nasviz.widgets.token_text import TokenText

PAGE_TOKENS = 1_500


class HeatPanel:
    """A page of the test part, with buttons to the pages before and after."""

    def __init__(self) -> None:
        self._reading: ExitReading | None = None
        self._set = ("", 1.0)
        self._page = 0
        self.title = ipywidgets.HTML(heading("Where each token left"))
        self.text = TokenText(label="held-out text, coloured by the depth at which tokens left")
        self.before = _button("◂ before", "The page of text before this one")
        self.after = _button("next ▸", "The page of text after this one")
        self.before.on_click(lambda _button: self._turn(-1))
        self.after.on_click(lambda _button: self._turn(1))
        self.place = ipywidgets.HTML()
        tools = ipywidgets.HBox([self.place, self.before, self.after])
        tools.add_class("nv-tools")
        self.view = ipywidgets.VBox([self.title, tools, self.text])
        self.view.add_class("nv-column")

    def show(self, reading: ExitReading | None, criterion: str, threshold: float) -> None:
        """Show a reading at a threshold; where only that moved, tokens change their colour."""
        same = reading is self._reading and criterion == self._set[0]
        if reading is not self._reading:
            self._page = 0
        self._reading, self._set = reading, (criterion, threshold)
        if reading is None:
            self.text.clear()
        elif same:
            self.text.recolour(reading.left(criterion, threshold, self._rows()))
        else:
            self._show_page()

    def _turn(self, pages: int) -> None:
        self._page += pages
        self._show_page()

    def _rows(self) -> range:
        assert self._reading is not None  # there is a page to show
        total = self._reading.test.n_tokens
        start = self._page * PAGE_TOKENS
        return range(start, min(total, start + PAGE_TOKENS))

    def _show_page(self) -> None:
        reading = self._reading
        if reading is None:
            return
        rows, total = self._rows(), reading.test.n_tokens
        self.place.value = place_words(rows, total)
        self.before.disabled = rows.start == 0
        self.after.disabled = rows.stop >= total
        criterion, threshold = self._set
        left = np.zeros(total, dtype=np.intp)
        left[rows.start : rows.stop] = reading.left(criterion, threshold, rows)
        self.text.show(heat_map_of(reading.test, left, criterion, reading.piece_of, rows))


def place_words(rows: range, total: int) -> Html:
    """Return which of the test part's tokens are on the page."""
    said = f"tokens {rows.start + 1:,} to {rows.stop:,} of {total:,} of the test part"
    return tag("span", text(said), css="nv-hint")


def _button(label: str, tooltip: str) -> ipywidgets.Button:
    button = ipywidgets.Button(description=label, tooltip=tooltip)
    button.add_class("nv-quiet")
    button.add_class("nv-needs-kernel")
    return button
