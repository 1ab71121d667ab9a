"""The parts of a parent: its drawing, sliders that keep the most important, and what measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ipywidgets
import numpy as np

from nasviz.cost.units import plural
from nasviz.space.importance import Scores, evenly, most_important
from nasviz.space.kept import Indices, Kept
from nasviz.space.measurement import Measurement, Method
from nasviz.space.parts_choice import PartsChoice
from nasviz.widgets.html import Html, heading, tag, text
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.model_parts import ModelParts, Part
from nasviz.widgets.parts_rows import part_rows

LayersBy = Literal["block_influence", "perplexity_drop", "taylor", "magnitude", "evenly", "first"]
PartsBy = Literal["activation", "taylor", "magnitude"]

_LAYERS_BY: Mapping[LayersBy, str] = {
    "block_influence": "block influence",
    "perplexity_drop": "loss without it",
    "taylor": "gradient (Taylor)",
    "magnitude": "size of weights",
    "evenly": "evenly spaced",
    "first": "the first ones",
}
_PARTS_BY: Mapping[PartsBy, str] = {
    "activation": "activation",
    "taylor": "gradient (Taylor)",
    "magnitude": "size of weights",
}
_METHODS: Mapping[Method, str] = {
    "activation": _PARTS_BY["activation"],
    "taylor": _PARTS_BY["taylor"],
    "magnitude": _PARTS_BY["magnitude"],
    "perplexity_drop": "loss without each layer",
}
# What measures a layer's importance; the others need nothing measured.
_MEASURES: Mapping[LayersBy, Method] = {
    "block_influence": "activation",
    "perplexity_drop": "perplexity_drop",
    "taylor": "taylor",
    "magnitude": "magnitude",
}
_FF_SHARES = 16
_COUNTED = "counted from 0; press a part to take it away"
_GROUPED = "The bar before a group takes all heads of a KV head."


@dataclass(frozen=True)
class PartsSettings:
    """By what layers, and by what heads and feed-forward units, are told to matter."""

    layers_by: LayersBy = "block_influence"
    parts_by: PartsBy = "activation"

    @property
    def methods(self) -> tuple[Method, ...]:
        """What has to be measured for them."""
        of_layers = _MEASURES.get(self.layers_by)
        return tuple(dict.fromkeys([*([of_layers] if of_layers else []), self.parts_by]))


class PartsPanel:
    """Shows a choice and changes it; `changed` is called with it after each change.

    `measure` has the methods that the settings lack measured, `stop` ends that.
    """

    def __init__(
        self,
        changed: Callable[[PartsChoice], None],
        measure: Callable[[Sequence[Method]], None],
        stop: Callable[[], None],
    ) -> None:
        self._changed = changed
        self.settings = PartsSettings()
        self.choice: PartsChoice | None = None
        self.measured: Mapping[Method, Measurement] = {}
        self._by_hand = False
        self._busy = False
        self.methods = Knobs(_method_rows(), _method_values(self.settings), title="Importance")
        self.sliders = Knobs([], {}, title="What stays")
        self.measure = _button("Measure importance", "Measure it on the calibration part", lambda:
                               measure(self.lacking))  # fmt: skip
        self.cancel = _button("Cancel", "Measure no more", stop)
        self.whole = _button("Keep all", "Give every part back", self._keep_all)
        self.progress = ipywidgets.HTML()
        self.title = ipywidgets.HTML(heading("What stays", text(_COUNTED)))
        self.grid = ModelParts(title="The parent's parts")
        self.legend = ipywidgets.HTML()
        self.methods.on_values(self._set)
        self.sliders.on_values(self._slide)
        self.grid.on_toggle(self._toggle)
        actions = ipywidgets.HBox([self.measure, self.cancel, self.whole])
        actions.add_class("nv-actions")
        actions.add_class("nv-needs-kernel")
        self.controls = ipywidgets.VBox([self.methods, actions, self.progress, self.sliders])
        self.drawing = ipywidgets.VBox([self.title, self.grid, self.legend])

    @property
    def lacking(self) -> tuple[Method, ...]:
        """What the settings need and nobody measured yet."""
        return tuple(each for each in self.settings.methods if each not in self.measured)

    def show(self, choice: PartsChoice, measured: Mapping[Method, Measurement]) -> None:
        """Take up another parent: all of it, and what was measured of it."""
        self.choice, self.measured, self._by_hand = choice, measured, False
        rows = _slider_rows(choice)
        self.sliders.show_rows(rows, self._slid())
        self._draw()

    def take_measured(self, measured: Mapping[Method, Measurement]) -> None:
        """Colour by what was measured meanwhile; sliders keep what matters by it."""
        self.measured = measured
        self._again()

    def say(self, busy: bool, words: Html) -> None:
        """Say how far a measurement is, or what became of it."""
        self._busy = busy
        self.progress.value = words
        self._check()

    def kept(self) -> Kept:
        """Return what the choice keeps; raises `InputError` where no model has that."""
        assert self.choice is not None
        return self.choice.kept(self._scores(self.settings.parts_by, "ff_units"))

    def _scores(self, method: Method | None, kind: str) -> Scores | None:
        found = None if method is None else self.measured.get(method)
        return None if found is None else found.scores[kind]

    def _layer_scores(self) -> Scores | None:
        return self._scores(_MEASURES.get(self.settings.layers_by), "layers")

    def _set(self, values: dict[str, Any]) -> None:
        self.settings = PartsSettings(values["layers_by"], values["parts_by"])
        self._again()

    def _again(self) -> None:
        """Have the sliders choose anew, unless parts were chosen by hand since they were moved."""
        if self.choice is None:
            return
        if not self._by_hand:
            self._move(self._slid())
        self._draw()
        self._changed(self.choice)

    def _slide(self, values: dict[str, Any]) -> None:
        if self.choice is None or not values or values == self._slid():
            return
        self._move(values)
        self._by_hand = False
        self._draw()
        self._changed(self.choice)

    def _move(self, values: Mapping[str, Any]) -> None:
        """Keep as many parts as sliders say; only those of a slider that moved change."""
        choice = self.choice
        assert choice is not None
        before = self._slid()
        moved = {name for name, value in values.items() if value != before[name]} or set(before)
        if "layers" in moved:
            best = self._best_layers(values["layers"], choice.parent.n_layers)
            choice = choice.with_layers(best)
        if "heads" in moved:
            heads = self._scores(self.settings.parts_by, "heads")
            choice = choice.with_groups(-(-values["heads"] // choice.group_size), heads)
        if "d_ff" in moved:
            choice = choice.with_d_ff(values["d_ff"])
        self.choice = choice

    def _best_layers(self, n: int, n_layers: int) -> Indices:
        if self.settings.layers_by == "evenly":
            return evenly(n_layers, n)
        scores = self._layer_scores()
        return most_important(np.zeros(n_layers) if scores is None else scores, n)

    def _toggle(self, part: Part, place: tuple[int, ...]) -> None:
        choice = self.choice
        if choice is None:
            return
        layer, *within = place
        if part == "layer":
            self.choice = choice.toggled_layer(layer)
        elif part == "feed_forward":
            self.choice = choice.toggled_feed_forward(layer)
        elif part == "group":
            self.choice = choice.toggled_group(layer, within[0])
        else:
            self.choice = choice.toggled_heads(layer, within)
        self._by_hand = True
        self._draw()
        self._changed(self.choice)

    def _keep_all(self) -> None:
        if self.choice is not None:
            self.choice, self._by_hand = PartsChoice.whole(self.choice.parent), False
            self._draw()
            self._changed(self.choice)

    def _slid(self) -> dict[str, Any]:
        choice = self.choice
        assert choice is not None
        return {
            "layers": max(1, len(choice.layers)),
            "heads": max(1, choice.most_groups) * choice.group_size,
            "d_ff": choice.most_d_ff,
        }

    def _draw(self) -> None:
        choice = self.choice
        assert choice is not None
        if self.sliders.values != self._slid():
            self.sliders.values = self._slid()
        layers = self._layer_scores()
        heads = self._scores(self.settings.parts_by, "heads")
        self.grid.show(part_rows(choice, layers, heads, _PARTS_BY[self.settings.parts_by]))
        said = legend_words(self.settings, layers is not None, heads is not None)
        grouped = choice.parent.n_kv_heads < choice.parent.n_heads
        hint = tag("div", text(_GROUPED), css="nv-hint") if grouped else Html("")
        self.legend.value = Html(said + hint)
        self._check()

    def _check(self) -> None:
        self.measure.disabled = self._busy or self.choice is None or not self.lacking
        self.measure.description = "Measure importance" if self.lacking else "Measured"
        self.cancel.disabled = not self._busy
        self.whole.disabled = self.choice is None or self.choice.is_whole


def legend_words(settings: PartsSettings, layers: bool, heads: bool) -> Html:
    """Return what colours say, and what sliders do without a measurement."""
    ramp = tag("i", css="nv-mp-ramp")
    key = tag(
        "div", tag("span", text("matters less "), ramp, text(" more")),
        tag("span", tag("i", css="nv-mp-key-gone"), text(" goes")), css="nv-legend",
    )  # fmt: skip
    lacking = [
        name
        for name, known in (
            ("layers", layers or settings.layers_by in ("evenly", "first")),
            ("heads, feed-forward units", heads),
        )
        if not known
    ]
    if not lacking:
        return key
    said = f"Not measured yet: sliders keep the first {', '.join(lacking)}."
    return Html(key + tag("div", text(said), css="nv-hint"))


def progress_words(method: Method, share: float) -> Html:
    """Return how far a measurement is."""
    label = f"measuring: {_METHODS[method]}"
    bar = tag(
        "div", tag("i", style=f"width:{share:.1%}"), css="nv-progress", role="progressbar",
        aria_valuenow=round(100 * share), aria_label=label,
    )  # fmt: skip
    return Html(tag("div", text(f"{label} …"), css="nv-hint") + bar)


def measured_words(measured: Mapping[Method, Measurement]) -> Html:
    """Return what was measured, on how much text."""
    if not measured:
        return Html("")
    read = max(each.tokens for each in measured.values())
    on = f"on {plural(read, 'token')} of the calibration part" if read else "from the weights alone"
    names = ", ".join(_METHODS[each] for each in measured)
    return tag("div", text(f"Measured ({names}) {on}, and kept with the trial."), css="nv-hint")


def _method_rows() -> list[Knob]:
    return [
        Knob(
            "layers_by", "Layers by", "select",
            "What tells which layers matter: how far a layer turns what passes through it, how "
            "much worse text is predicted without it, the loss's gradient, the size of its "
            "weights; or a rule that needs nothing measured.",
            tuple(_LAYERS_BY), tuple(_LAYERS_BY.values()),
            "Men et al. 2024, arXiv:2403.03853; Kim et al. 2024, arXiv:2402.02834",
        ),
        Knob(
            "parts_by", "Heads by", "select",
            "What tells which heads and feed-forward units matter: how much they add on real "
            "text, how much the loss would change without them, or the size of their weights.",
            tuple(_PARTS_BY), tuple(_PARTS_BY.values()),
            "Muralidharan et al. 2024, arXiv:2407.14679; Molchanov et al. 2019, arXiv:1906.10771",
        ),
    ]  # fmt: skip


def _method_values(settings: PartsSettings) -> dict[str, Any]:
    return dict(vars(settings))


def _slider_rows(choice: PartsChoice) -> list[Knob]:
    a, size = choice.parent, choice.group_size
    inner = np.unique(np.ceil(np.arange(1, _FF_SHARES + 1) * a.d_ff / _FF_SHARES).astype(int))
    sliders = (
        ("layers", "Keep layers", range(1, a.n_layers + 1), "So many layers stay."),
        ("heads", "Heads", range(size, a.n_heads + 1, size),
         "So many heads stay in every layer, in whole KV groups."),
        ("d_ff", "Feed-forward", inner.tolist(),
         "So many feed-forward units stay in every layer that has as many."),
    )  # fmt: skip
    return [
        Knob(name, label, "slider", help_, tuple(values), tuple(f"{each:,}" for each in values))
        for name, label, values, help_ in sliders
    ]


def _button(label: str, tooltip: str, act: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=label, tooltip=tooltip)
    button.on_click(lambda _button: act())
    return button
