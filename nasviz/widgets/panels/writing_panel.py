"""Write, race and replay: a trained model's text under its policy, beside the static one's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import ipywidgets

from nasviz.cost.hardware import Hardware
from nasviz.execution.written import Report, Written
from nasviz.space.inference import InferencePolicy
from nasviz.widgets.authoring import Asked, Authoring, Hand
from nasviz.widgets.html import Html, alert, heading, note, text
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.panels.lanes import Lanes
from nasviz.widgets.panels.what_if_panel import WhatIfPanel
from nasviz.widgets.policy_words import STATIC, policy_phrase
from nasviz.widgets.state import ExplorerState
from nasviz.widgets.writing_words import (
    ended_words,
    no_hand_words,
    progress_words,
    writing_head,
)
from nasviz.widgets.written_text import WrittenText, places_of

LENGTHS = (16, 32, 64, 128, 256, 512)
TEMPERATURES = (0.0, 0.5, 0.8, 1.0, 1.2)
_SETTINGS: dict[str, Any] = {"prompt": "The ", "tokens": 128, "temperature": 0.8, "seed": 0}
_RACE = "Write the same prompt twice, with every layer and under the policy, in turn"


class WritingPanel:
    """Has what is in `hand` write, and shows it; `hand` returns None where nothing can."""

    def __init__(
        self, state: ExplorerState, authoring: Authoring, hand: Callable[[], Hand | None]
    ) -> None:
        self.state = state
        self._authoring = authoring
        self._in_hand = hand
        self._lock = threading.RLock()
        self._trial: tuple[tuple[str, str], int] | None = None  # whose texts are on show
        self._author: Hand | None = None  # what wrote the text on show
        self._asked: Asked | None = None  # what it was asked
        self._written = Written()
        self._number = 0
        self._running = False
        self.head = ipywidgets.HTML()
        self.knobs = Knobs(_rows(), _SETTINGS, title="Write")
        self.write = _button(
            "Write", "Have the model write on from the prompt, under its policy", self._write
        )
        self.write.add_class("nv-first")
        self.race = _button("Race", _RACE, self._race)
        self.stop = _button("Stop", "Write no more", authoring.stop)
        self.progress = ipywidgets.HTML()
        self.text = WrittenText(label="what the model wrote, by depth", taps=True)
        self.said = ipywidgets.HTML()
        self.what_if = WhatIfPanel(self._replay)
        self.lanes = Lanes()
        self.text.observe(
            lambda change: self.what_if.point(change.new, self._written), names="tapped"
        )
        self.knobs.on_values(lambda _values: self._check())
        self.view = self._columns()
        state.observe(lambda _change: self.refresh(), names=["selection", "study", "exits"])
        self.refresh()

    def _columns(self) -> ipywidgets.VBox:
        actions = ipywidgets.HBox([self.write, self.race, self.stop])
        actions.add_class("nv-actions")
        actions.add_class("nv-needs-kernel")
        title = ipywidgets.HTML(heading("What it writes", text("click a token: what if?")))
        settings = ipywidgets.VBox([self.knobs, actions])
        columns = [
            ipywidgets.VBox([self.head, settings, self.progress]),
            ipywidgets.VBox([title, self.text, self.said]),
            self.what_if.view,
        ]
        for column in columns:
            column.add_class("nv-column")
        self._parts = (settings, *columns[1:])
        self._top = ipywidgets.HBox(columns)
        for css in ("nv-tab", "nv-writing", "nv-below"):
            self._top.add_class(css)
        return ipywidgets.VBox([self._top, self.lanes.view])

    def refresh(self) -> None:
        """Say what would write now; texts of another trial leave the page."""
        hand = self._in_hand()
        with self._lock:
            if self._trial is not None and self._trial != self._key(hand):
                self._authoring.stop()
                self._running = False
                self._forget()
            for part in self._parts:
                part.layout.display = None if hand is not None else "none"
            alone = self._top.remove_class if hand is not None else self._top.add_class
            alone("nv-alone")
            self.head.value = writing_head(hand)
            if hand is None:
                trials = self.state.study.trials
                self.progress.value = no_hand_words(self.state.selection, trials)
            elif not self._running and self._trial is None:
                self.progress.value = Html("")
            self._check()

    def _key(self, hand: Hand | None) -> tuple[tuple[str, str], int] | None:
        return None if hand is None else (self.state.study.place, hand.trial.number)

    def _forget(self) -> None:
        """Take texts off the page."""
        self._trial = self._author = self._asked = None
        self._written = Written()
        self.text.clear()
        self.lanes.clear()
        self.what_if.show(None)

    def _check(self) -> None:
        """Let be pressed what can be, and say what is wrong with a setting."""
        hand, mistakes = self._in_hand(), _mistakes(self.knobs.values)
        self.knobs.errors = mistakes
        self.write.disabled = self._running or hand is None or bool(mistakes)
        static = hand is not None and not hand.policy
        self.race.disabled = self.write.disabled or static
        self.race.tooltip = "This model is static: nothing to race against" if static else _RACE
        self.stop.disabled = not self._running
        self.what_if.busy = self._running
        if not self.text.text:
            self.said.value = Html("") if hand is None else _what_comes(hand)

    def _begin(self, hand: Hand, n_tokens: int) -> None:
        self._trial, self._running = self._key(hand), True
        self.progress.value = progress_words(Report(0), n_tokens)
        self._check()

    def _follow(self, report: Report, n_tokens: int) -> None:
        """Show how far an order is, or what became of it."""
        if not report.ended:
            self.progress.value = progress_words(report, n_tokens)
            return
        self.progress.value = alert(report.failed) if report.failed else Html("")
        self._running = False
        self._check()

    def _write(self) -> None:
        """Have a text written under the policy in hand."""
        hand, asked = self._in_hand(), _asked(self.knobs.values)
        if hand is None:
            return
        with self._lock:
            self._forget()
            self._author, self._asked = hand, asked
            self._begin(hand, asked.n_tokens)

        def hear(report: Report) -> None:
            with self._lock:
                if self._author is hand:  # else another trial came on show
                    self._show_text(hand, asked, report)

        self._authoring.write(hand.trial, [hand.policy], asked, hear)

    def _show_text(self, hand: Hand, asked: Asked, report: Report) -> None:
        if report.texts:
            (self._written,) = report.texts
            self.text.show(asked.prompt, self._written, places_of(hand.policy, hand.n_layers))
        if report.done:
            self._number = report.number
            self.said.value = ended_words(report, hand, Hardware.default())
            self.what_if.show(hand)
            # A token that was clicked while the text grew: no second click on it would be heard.
            self.what_if.point(self.text.tapped, self._written)
        self._follow(report, asked.n_tokens)

    def _race(self) -> None:
        """Have the static and the dynamic model write the same prompt in turn."""
        hand, asked = self._in_hand(), _asked(self.knobs.values)
        if hand is None:
            return
        hands = (Hand(hand.trial, InferencePolicy()), hand)
        hear = self._to_lanes(hands, asked, asked.n_tokens)
        with self._lock:
            self.lanes.begin("Race", (STATIC, policy_phrase(hand.policy)))
            self._begin(hand, asked.n_tokens)
        self._authoring.write(hand.trial, [each.policy for each in hands], asked, hear)

    def _replay(self, token: int, policy: InferencePolicy, change: str) -> None:
        """Have the text on show written anew from a token on, as it was and changed."""
        hand, asked, n_tokens = self._author, self._asked, len(self._written.pieces)
        assert hand is not None  # a token of its text was clicked
        assert asked is not None
        hands = (hand, Hand(hand.trial, policy))
        hear = self._to_lanes(hands, asked, n_tokens)
        names = (f"as written: {policy_phrase(hand.policy)}", f"changed: {change}")
        with self._lock:
            self.lanes.begin(f"What if, from token {token + 1:,} on", names)
            self._begin(hand, n_tokens)
        self._authoring.replay(self._number, token, policy, hear)

    def _to_lanes(
        self, hands: tuple[Hand, Hand], asked: Asked, n_tokens: int
    ) -> Callable[[Report], None]:
        """Return what shows the reports of two texts, until another trial is on show."""
        trial = self._key(hands[0])

        def hear(report: Report) -> None:
            with self._lock:
                if self._trial == trial:
                    self.lanes.show(report, asked, hands, Hardware.default())
                    self._follow(report, n_tokens)

        return hear


def _what_comes(hand: Hand) -> Html:
    """Return what there is to do before anything was written."""
    race = " “Race” writes it static and dynamic side by side." if hand.policy else ""
    return note(
        text(
            "“Write” has the trained model go on from the prompt, token by token, each coloured "
            f"by the layers that it went through.{race} Then click a token and change something."
        )
    )


def _rows() -> list[Knob]:
    return [
        Knob("prompt", "Prompt", "text", "The model goes on from here."),
        Knob(
            "tokens", "Tokens", "slider", "How many tokens it writes.", LENGTHS,
            tuple(map(str, LENGTHS)),
        ),
        Knob(
            "temperature", "Temperature", "select",
            "How freely it draws among likely tokens; at 0 it always takes the likeliest.",
            TEMPERATURES, ("0: the likeliest", *map(str, TEMPERATURES[1:])),
        ),
        Knob("seed", "Seed", "number", "The same seed draws the same text.", labels=("0",)),
    ]  # fmt: skip


def _asked(values: dict[str, Any]) -> Asked:
    return Asked(values["prompt"], values["tokens"], values["temperature"], values["seed"])


def _mistakes(values: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong, by the knob where it is."""
    found = {}
    if not values.get("prompt"):
        found["prompt"] = "give a few letters to go on from"
    seed = values.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        found["seed"] = "a whole number, 0 or more"
    return found


def _button(label: str, tooltip: str, act: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=label, tooltip=tooltip)
    button.on_click(lambda _button: act())
    return button
