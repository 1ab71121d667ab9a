"""The knobs of exits: criterion, threshold, the quality asked for, and what depth is priced in.

Two columns of knobs: the threshold's answers all along while it is dragged, and nothing writes it
back meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nasviz.space.options.early_exit import Criterion, EarlyExit
from nasviz.widgets.exit_costs import COSTS, LAYERS
from nasviz.widgets.exit_reading import ExitReading
from nasviz.widgets.exit_words import signed
from nasviz.widgets.knobs import Knob, Knobs, knob_of

# At most so much more bits per byte than the whole model; None is a threshold set by hand.
TARGETS = (None, 0.0, 0.005, 0.01, 0.02, 0.05, 0.1)
_FIELDS = {field.name: field for field in EarlyExit.FIELDS}


@dataclass(frozen=True)
class ExitSettings:
    """What the knobs say: `index` is the threshold's place on the grid of the answers."""

    criterion: Criterion
    index: int
    target: float | None = None
    cost: str = LAYERS


class ExitControls:
    """The knobs of one reading; `changed` is called with what they say after a change."""

    def __init__(self, changed: Callable[[ExitSettings], None]) -> None:
        self._changed = changed
        self._reading: ExitReading | None = None
        self.settings = self._begun = ExitSettings("max_probability", 0)
        self.slider = Knobs([], {}, title="Exit threshold", live=True)
        self.choices = Knobs([], {}, title="Exits")
        self.slider.add_class("nv-broad")
        self.slider.on_values(self._slide)
        self.choices.on_values(self._choose)

    def show(self, reading: ExitReading) -> None:
        """Take up a trial's exits, at the policy that it was trained with."""
        self._reading = reading
        option, kept = reading.option, reading.criteria
        criterion = option.criterion if option.criterion in kept else kept[0]
        index = reading.answers(criterion).index_of(option.threshold)
        self.settings = replace(self.settings, criterion=criterion, index=index, target=None)
        self._begun = self.settings
        self.choices.show_rows(_choice_knobs(reading), self._chosen())
        thresholds = reading.answers(criterion).test.thresholds.tolist()
        labels = [f"{each:.3g}" if each < 0.995 else f"{each:.5g}" for each in thresholds]
        knob = knob_of(_FIELDS["threshold"], "slider", thresholds, labels)
        self.slider.show_rows([replace(knob, label="Threshold")], self._slid())

    @property
    def moved(self) -> bool:
        """Whether criterion or threshold are others than those that the trial was trained with."""
        now, begun = self.settings, self._begun
        return (now.criterion, now.index) != (begun.criterion, begun.index)

    def _chosen(self) -> dict[str, Any]:
        settings = self.settings
        return {"criterion": settings.criterion, "target": settings.target, "cost": settings.cost}

    def _slid(self) -> dict[str, Any]:
        assert self._reading is not None  # there are rows to slide
        answers = self._reading.answers(self.settings.criterion)
        return {"threshold": float(answers.test.thresholds[self.settings.index])}

    def _slide(self, values: dict[str, Any]) -> None:
        """Set the threshold by hand: no target chose it."""
        if self._reading is None or not values or values == self._slid():
            return
        answers = self._reading.answers(self.settings.criterion)
        index = answers.index_of(values["threshold"])
        self.settings = replace(self.settings, index=index, target=None)
        if self.choices.values != self._chosen():
            self.choices.values = self._chosen()
        self._changed(self.settings)

    def _choose(self, values: dict[str, Any]) -> None:
        """Take another criterion, price or target; a target chooses the threshold."""
        if self._reading is None or not values or values == self._chosen():
            return
        criterion, target = values["criterion"], values["target"]
        answers = self._reading.answers(criterion)
        index = self.settings.index if target is None else answers.chosen_for(target)
        self.settings = ExitSettings(criterion, index, target, values["cost"])
        if self.slider.values != self._slid():
            self.slider.values = self._slid()
        self._changed(self.settings)


def _choice_knobs(reading: ExitReading) -> list[Knob]:
    criterion = knob_of(
        _FIELDS["criterion"],
        "select",
        reading.criteria,
        [each.replace("_", " ") for each in reading.criteria],
    )
    target = Knob(
        "target",
        "Quality",
        "select",
        help="Chooses the threshold of fewest layers that loses at most so many bits per byte. It "
        "is chosen on the calibration part of the text and reported on the test part.",
        values=TARGETS,
        labels=tuple(
            "set by hand" if each is None else f"at most {signed(each)}" for each in TARGETS
        ),
    )
    cost = Knob(
        "cost",
        "Cost in",
        "select",
        help="What the curve is drawn against. Operations and time count the exits' own checks.",
        values=tuple(COSTS),
        labels=tuple(each.label for each in COSTS.values()),
    )
    return [replace(criterion, label="Sure by"), target, cost]
