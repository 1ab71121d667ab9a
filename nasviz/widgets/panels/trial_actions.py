"""Pause, Resume and Cancel for the trial on show; the same three wherever a trial is looked at."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from nasviz.study.trial import Request
from nasviz.widgets.state import ExplorerState


class TrialActions:
    """A row of buttons that ask something of the watched trial, each where it makes sense."""

    def __init__(self, state: ExplorerState, request: Callable[[int, Request], None]) -> None:
        self.state = state
        self._request = request
        self.pause = self._button("Pause", "pause", "Rest in its checkpoint, until Resume")
        self.resume = self._button("Resume", "resume", "Go on from its checkpoint")
        self.cancel = self._button("Cancel", "cancel", "Give it up; what it reported stays")
        self.view = ipywidgets.HBox([self.pause, self.resume, self.cancel])
        self.view.add_class("nv-actions")
        self.view.add_class("nv-needs-kernel")
        state.observe(lambda _change: self._show(), names=["study", "watched"])
        self._show()

    def _button(self, label: str, request: Request, tooltip: str) -> ipywidgets.Button:
        button = ipywidgets.Button(description=label, tooltip=tooltip)

        def ask(_button: ipywidgets.Button) -> None:
            if self.state.watched is not None:
                self._request(self.state.watched, request)

        button.on_click(ask)
        return button

    def _show(self) -> None:
        trial = self.state.study.trial(self.state.watched)
        state = trial.state if trial is not None else ""
        stranded = state == "waiting" and self.state.study.unserved
        self.pause.disabled = state not in ("running", "waiting")
        self.resume.disabled = state != "paused" and not stranded
        self.cancel.disabled = state not in ("running", "waiting", "paused")
