"""What if: a token of a written text is clicked, and something is changed from there on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nasviz.errors import InputError
from nasviz.execution.written import Written
from nasviz.plots.visible_text import visible
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.policy_change import PolicyChange
from nasviz.widgets.authoring import Hand
from nasviz.widgets.html import Html, alert, bold, heading, join, note, tag, text
from nasviz.widgets.knobs import Knob, Knobs

BY_THRESHOLD = "threshold"
THRESHOLDS = tuple(round(0.05 * each, 2) for each in range(21))
WIDTHS = (1.0, 0.75, 0.5, 0.25)
_AS_WRITTEN = "as written"
_HELP = (
    "The text up to the token stays. The changed model reads it as if it had written it: the keys "
    "and values that it remembers are its own, not the first run's. Then it goes on from the same "
    "random state."
)


class WhatIfPanel:
    """The token that was clicked, and knobs; `replay` gets it, the changed policy and its words."""

    def __init__(self, replay: Callable[[int, InferencePolicy, str], None]) -> None:
        self._replay = replay
        self._hand: Hand | None = None
        self._token: int | None = None
        self.title = ipywidgets.HTML(heading("What if"))
        self.token = ipywidgets.HTML()
        self.knobs = Knobs([], {}, title="What if")
        self.refusal = ipywidgets.HTML()
        self.button = ipywidgets.Button(
            description="Replay", tooltip="Write the text anew from the token on, in both ways"
        )
        self.button.on_click(lambda _button: self._go())
        actions = ipywidgets.HBox([self.button])
        actions.add_class("nv-actions")
        actions.add_class("nv-needs-kernel")
        help_ = ipywidgets.HTML(tag("div", text(_HELP), css="nv-hint"))
        self._change = ipywidgets.VBox([self.knobs, self.refusal, actions, help_])
        self.view = ipywidgets.VBox([self.title, self.token, self._change])
        self.view.add_class("nv-column")
        self.knobs.on_values(self._turn)
        self.show(None)

    def show(self, hand: Hand | None) -> None:
        """Take up a text that `hand` wrote; None is no text."""
        self._hand = hand
        self._change.layout.display = None if hand is not None else "none"
        self.knobs.show_rows(*_rows(hand, {}))
        self.point(None, Written())

    def point(self, token: int | None, written: Written) -> None:
        """Say which token of the text was clicked."""
        self._token = token
        self.token.value = token_words(token, written, self._hand is not None)
        self._check()

    @property
    def busy(self) -> bool:
        """Whether something is being written: nothing can be replayed meanwhile."""
        return bool(self.knobs.disabled)

    @busy.setter
    def busy(self, busy: bool) -> None:
        self.knobs.disabled = busy
        self._check()

    def _turn(self, values: dict[str, Any]) -> None:
        rows, kept = _rows(self._hand, values)
        if [each.name for each in rows] != [each["name"] for each in self.knobs.knobs]:
            self.knobs.show_rows(rows, kept)
        self._check()

    def _check(self) -> None:
        """Say why the change can't be, and let it be replayed where it can."""
        problem = ""
        try:
            self._policy()
        except InputError as error:
            problem = str(error)
        self.refusal.value = alert(problem) if problem else Html("")
        self.button.disabled = self.busy or bool(problem) or self._token is None

    def _policy(self) -> InferencePolicy | None:
        """Return the text's policy as changed; raises `InputError` where that can't be."""
        if self._hand is None:
            return None
        change = change_of(self.knobs.values)
        return change.of(self._hand.policy, self._hand.trial.candidate.architecture)

    def _go(self) -> None:
        policy = self._policy()
        if policy is not None and self._token is not None:
            self._replay(self._token, policy, change_words(self.knobs))


def change_of(values: dict[str, Any]) -> PolicyChange:
    """Return the change that the knobs say."""
    exits = values.get("exits")
    by_threshold = exits == BY_THRESHOLD
    return PolicyChange(
        threshold=values.get("threshold") if by_threshold else None,
        exit_layer=None if by_threshold else exits,
        window=values.get("window"),
        ff_share=values.get("width"),
    )


def change_words(knobs: Knobs) -> str:
    """Return what the knobs change, in a few words: `exit after layer 2, cache all tokens`."""
    said = []
    for row in knobs.knobs:
        value = knobs.values[row["name"]]
        if value is not None and value != BY_THRESHOLD:
            said.append(f"{row['label'].lower()} {row['labels'][row['values'].index(value)]}")
    return ", ".join(said) or "nothing"


def token_words(token: int | None, written: Written, finished: bool) -> Html:
    """Return which token a replay begins with, or how there can be one."""
    if not finished:
        said = "Once a text is written: click one of its tokens, and change how it goes on."
        return note(text(said), css="nv-token")
    if token is None:
        return note(text("Click a token of the text to change something there."), css="nv-token")
    word = visible(written.pieces[token], spaces=True).replace("\n", "")
    depth = f", which took {written.depths[token]} of {written.n_layers} layers."
    pieces = [text(f"From token {token + 1:,}, "), bold(f"“{word}”"), text(depth)]
    return note(join(pieces), css="nv-token")


def _rows(hand: Hand | None, values: dict[str, Any]) -> tuple[list[Knob], dict[str, Any]]:
    """Return the knobs for what `hand` wrote, and their values, those of `values` kept."""
    if hand is None:
        return [], {}
    exits = [None, BY_THRESHOLD, *_exit_layers(hand)]
    rows = [
        Knob(
            "exits",
            "Exit",
            "select",
            help="After which layers tokens leave from here on.",
            values=tuple(exits),
            labels=tuple(_exit_label(each, hand.n_layers) for each in exits),
        )
    ]
    kept: dict[str, Any] = {"exits": values.get("exits")}
    if kept["exits"] == BY_THRESHOLD:
        option = hand.policy.get(EarlyExit) or EarlyExit()
        field = next(each for each in EarlyExit.FIELDS if each.name == "threshold")
        labels = tuple(f"{each:.2f}" for each in THRESHOLDS)
        rows.append(Knob("threshold", "Threshold", "slider", field.help, THRESHOLDS, labels))
        at = min(THRESHOLDS, key=lambda each: abs(each - option.threshold))
        kept["threshold"] = values.get("threshold", at)
    context = hand.trial.candidate.architecture.context_length
    windows = [None, 0, *(2**each for each in range(2, 22) if 2**each < context)]
    rows.append(
        Knob(
            "window",
            "Cache",
            "select",
            help=KVWindow.HELP,
            values=tuple(windows),
            labels=tuple(_window_label(each) for each in windows),
        )
    )
    rows.append(
        Knob(
            "width",
            "Width",
            "select",
            help=f"{DynamicWidth.HELP} Good only where the model was trained with nested widths.",
            values=(None, *WIDTHS),
            labels=(_AS_WRITTEN, *(f"{each:.0%} of the feed-forward" for each in WIDTHS)),
        )
    )
    kept |= {"window": values.get("window"), "width": values.get("width")}
    return rows, kept


def _exit_layers(hand: Hand) -> list[int]:
    """Return the layers after which every token can be made to leave, the last one included."""
    option = hand.policy.get(EarlyExit)
    if option is not None and option.heads == "own":
        return [*option.exits(hand.n_layers), hand.n_layers]
    return list(range(1, hand.n_layers + 1))


def _exit_label(exits: str | int | None, n_layers: int) -> str:
    if exits is None:
        return _AS_WRITTEN
    if exits == BY_THRESHOLD:
        return "by a threshold"
    return f"after all {n_layers} layers" if exits == n_layers else f"after layer {exits}"


def _window_label(window: int | None) -> str:
    if window is None:
        return _AS_WRITTEN
    return f"the latest {window:,} tokens" if window else "all tokens"
