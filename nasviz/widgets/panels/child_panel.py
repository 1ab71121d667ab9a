"""What the choice leaves: its cost and quality beside the parent's, and Heal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nasviz.space.architecture import Architecture
from nasviz.space.lineage import HEALS, Heal
from nasviz.study.trial import Trial
from nasviz.widgets.compression_words import cost_table, heal_words
from nasviz.widgets.html import Html, alert, heading, tag, text
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.state import ExplorerState

_HEALED: dict[Heal, str] = {
    "distill": "by its parent (distillation)",
    "finetune": "on text",
    "lora": "on text, by adapters (LoRA)",
    "none": "not at all",
}
DEFAULT_TOKENS = 100_000


class ChildPanel:
    """Costs of what is left, and the buttons that make it a trial.

    `score` has the choice scored, `heal` gets the way and the tokens.
    """

    def __init__(
        self,
        state: ExplorerState,
        score: Callable[[], None],
        heal: Callable[[Heal, int], None],
    ) -> None:
        self._state = state
        self._sizes: tuple[Architecture, Architecture] | None = None
        self.cost = ipywidgets.HTML()
        self.problem = ipywidgets.HTML()
        self.scored = ipywidgets.HTML()
        self.score = _button("Score unhealed", "One pass over the calibration part", score)
        self.knobs = Knobs(
            _heal_rows(), {"heal": "distill", "tokens": DEFAULT_TOKENS}, title="Healing"
        )
        self.heal = _button(
            "Heal", "Store it as a trial of this study, with exactly these parts",
            lambda: heal(self.knobs.values["heal"], self.knobs.values["tokens"]),
        )  # fmt: skip
        self.heal.add_class("nv-first")
        self.healed = ipywidgets.HTML()
        self.refused = ipywidgets.HTML()
        self.knobs.on_values(lambda _values: self._check())
        scoring, healing = (ipywidgets.HBox([each]) for each in (self.score, self.heal))
        for row in (scoring, healing):
            row.add_class("nv-actions")
            row.add_class("nv-needs-kernel")
        title = ipywidgets.HTML(heading("Heal", text("an ordinary trial")))
        self.costs = ipywidgets.VBox([
            ipywidgets.HTML(heading("What is left", text("beside its parent, both run in full"))),
            self.cost, self.problem, self.scored, scoring,
        ])  # fmt: skip
        self.making = ipywidgets.VBox([title, self.knobs, healing, self.healed, self.refused])
        self.view = ipywidgets.VBox([self.costs, self.making])

    def show(
        self,
        sizes: tuple[Architecture, Architecture] | None,
        quality: tuple[float | None, float | None],
        problem: str,
        scoring: bool,
    ) -> None:
        """Show the parent's and the child's sizes, or why there are none; both's quality."""
        self._sizes = sizes
        self.problem.value = alert(problem) if problem else Html("")
        self.cost.value = Html("")
        if sizes is not None:
            state = self._state
            self.cost.value = cost_table(*sizes, quality, state.workload, state.hardware)
        lacking = None in quality
        self.score.disabled = sizes is None or scoring or not lacking
        self.score.description = "Score unhealed" if lacking else "Scored"
        words = "scoring …" if scoring else ""
        self.scored.value = tag("div", text(words), css="nv-hint") if words else Html("")
        self._check()

    def show_trial(self, child: Trial | None) -> None:
        """Show how the latest child does."""
        self.healed.value = heal_words(child)

    def refuse(self, problem: str) -> None:
        """Say why nothing was stored."""
        self.refused.value = alert(problem) if problem else Html("")

    def _check(self) -> None:
        way, tokens = self.knobs.values["heal"], self.knobs.values["tokens"]
        whole = isinstance(tokens, int) and not isinstance(tokens, bool) and tokens > 0
        mistake = "" if whole or way == "none" else "a whole number, 1 or more"
        self.knobs.errors = {"tokens": mistake} if mistake else {}
        nothing_goes = self._sizes is None or self._sizes[0] == self._sizes[1]
        self.heal.disabled = nothing_goes or bool(mistake)
        self.heal.description = "Keep as it is cut" if way == "none" else "Heal"


def _heal_rows() -> list[Knob]:
    return [
        Knob(
            "heal", "Healed", "select",
            "How the cut model learns again: to say what its parent says, from text alone, from "
            "text through small added matrices, or not.",
            tuple(HEALS), tuple(_HEALED[each] for each in HEALS),
            "Muralidharan et al. 2024, arXiv:2407.14679; Hu et al. 2021, arXiv:2106.09685",
        ),
        Knob("tokens", "Tokens", "number", "How much text it reads while it is healed."),
    ]  # fmt: skip


def _button(label: str, tooltip: str, act: Callable[[], Any]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=label, tooltip=tooltip)
    button.on_click(lambda _button: act())
    return button
