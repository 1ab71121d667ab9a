"""The line that says that trials wait and nobody trains them, with the button that mends it."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from nasviz.cost.units import plural
from nasviz.widgets.html import Html, tag, text
from nasviz.widgets.state import ExplorerState, StudySnapshot


class Waiting:
    """Seen only while trials wait and no worker is alive; `wake` starts one."""

    def __init__(self, state: ExplorerState, wake: Callable[[], None]) -> None:
        self.state = state
        self.said = ipywidgets.HTML()
        self.go = ipywidgets.Button(
            description="Start a worker", tooltip="It trains them one after the other"
        )
        self.go.on_click(lambda _button: wake())
        self.view = ipywidgets.HBox([self.said, self.go])
        self.view.add_class("nv-waiting")
        self.view.add_class("nv-needs-kernel")
        state.observe(lambda _change: self._show(), names=["study", "searching"])
        self._show()

    def _show(self) -> None:
        # A search starts its worker itself, a moment after its first trial is stored.
        seen = self.state.study.unserved and not self.state.searching
        self.said.value = waiting_words(self.state.study) if seen else Html("")
        self.view.layout.display = None if seen else "none"


def waiting_words(study: StudySnapshot) -> Html:
    """Return what became of the worker, and how many trials wait for one."""
    waiting = study.count("waiting")
    lost = "The worker was lost; its trial goes on from its checkpoint. "
    said = f"{plural(waiting, 'trial')} {'waits' if waiting == 1 else 'wait'}, and no worker runs."
    return tag("span", text((lost if study.worker == "lost" else "") + said), role="status")
