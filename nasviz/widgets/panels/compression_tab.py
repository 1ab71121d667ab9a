"""Compression: a trained model pruned by hand, healed, and raced against its twin from scratch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets

from nasviz.errors import InputError
from nasviz.execution.appraised import Appraisal, MeasureOrder, Order, ScoreOrder
from nasviz.execution.appraiser import Appraiser
from nasviz.execution.twin import Paid
from nasviz.space.kept import Kept
from nasviz.space.lineage import Heal
from nasviz.space.measurement import Method, load_measurement
from nasviz.space.parts_choice import PartsChoice
from nasviz.study.family import children_of, twin_of
from nasviz.study.road_curves import BothRoads
from nasviz.study.trial import Trial
from nasviz.widgets.appraising import Appraising
from nasviz.widgets.compressing import Compressing
from nasviz.widgets.compression_words import no_parent_words, parent_head, trial_title
from nasviz.widgets.html import Html, alert
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.panels.child_panel import ChildPanel
from nasviz.widgets.panels.parts_panel import PartsPanel, measured_words, progress_words
from nasviz.widgets.panels.roads_panel import RoadsPanel
from nasviz.widgets.parent_reading import ParentReading, parent_candidates
from nasviz.widgets.state import ExplorerState
from nasviz.widgets.three_ways import (
    dynamic_exit_way,
    fixed_exit_way,
    missing_exits,
    pruned_way,
    ways_table,
)

# Choices are scored as they are made where the parent's own pass took at most so long.
QUICK_S = 3.0
# A choice is scored when it has rested for so long.
REST_S = 0.5


class CompressionTab:
    """Chooses a parent, and brings its parts, what is left, and both roads together.

    The parent is the selection's trained trial, until another is chosen; of a selection that was
    pruned itself (or is a twin) it is that trial's parent, so that a family stays on show.
    """

    def __init__(
        self, state: ExplorerState, compressing: Compressing, appraiser: Appraiser
    ) -> None:
        self.state = state
        self._compressing = compressing
        self._appraising = Appraising(appraiser, self._told)
        self._lock = threading.RLock()
        self._parent: tuple[tuple[str, str], int] | None = None  # whose parts are on show
        self._offered_of = ("", "")  # the study whose trials the chooser offers
        self._reading: ParentReading | None = None
        self._bits: dict[Kept, float] = {}  # by what is kept of the parent
        self._pass_s: float | None = None
        self._rest: threading.Timer | None = None
        self._roads_asked: tuple[object, ...] | None = None
        self.head = ipywidgets.HTML()
        self.chooser = Knobs([], {}, title="Parent")
        self.parts = PartsPanel(self._changed, self._measure, self._appraising.stop)
        self.child = ChildPanel(state, self._score, self._heal)
        self.roads = RoadsPanel(self._twin)
        self.ways = ipywidgets.HTML()
        self.view = self._columns()
        self.chooser.on_values(lambda _values: self._take_up())
        state.observe(lambda _change: self._take_up(), names=["selection", "study"])
        state.observe(lambda _change: self._show_child(), names=["workload", "hardware"])
        state.observe(lambda _change: self._show_trials(), names="curve")
        self._take_up()

    def _columns(self) -> ipywidgets.VBox:
        first = ipywidgets.VBox([self.chooser, self.head, self.parts.controls])
        columns = [first, ipywidgets.VBox([self.parts.drawing]), self.child.view]
        for column in columns:
            column.add_class("nv-column")
        self._top = ipywidgets.HBox(columns)
        self._below = ipywidgets.HBox([self.roads.view, self.ways])
        for css in ("nv-tab", "nv-compression"):
            self._top.add_class(css)
        for css in ("nv-column", "nv-below", "nv-roads"):
            self._below.add_class(css)
        self._full = (self.parts.controls, *columns[1:], self._below)
        return ipywidgets.VBox([self._top, self._below])

    # The parent.

    def _take_up(self) -> None:
        """Show the parent that is chosen or selected; anew only where it is another one."""
        with self._lock:
            self._offer()
            trial = self._wanted()
            wanted = None if trial is None else (self.state.study.place, trial.number)
            if wanted != self._parent:
                self._parent = wanted
                self._let_go()
                if trial is not None:
                    self._read(trial)
            if trial is None:
                trials = self.state.study.trials
                self.head.value = no_parent_words(self.state.selection, trials)
            self._seen(self._reading is not None)
            self._show_trials()

    def _offer(self) -> None:
        """Offer every trained trial as the parent."""
        offered = parent_candidates(self.state.study.trials)
        names = [trial_title(each) for each in offered]
        knob = Knob(
            "parent", "Prune", "select", "Which trained model is to be pruned.",
            (None, *(each.number for each in offered)), ("the selection", *names),
        )  # fmt: skip
        chosen = self.chooser.values.get("parent")
        if chosen not in knob.values or self._offered_of != self.state.study.place:
            chosen = None  # a number of another study is another trial
        self._offered_of = self.state.study.place
        if [knob.to_json()] != self.chooser.knobs or self.chooser.values != {"parent": chosen}:
            self.chooser.show_rows([knob], {"parent": chosen})

    def _wanted(self) -> Trial | None:
        study = self.state.study
        chosen = self.chooser.values.get("parent")
        if chosen is not None:
            return study.trial(chosen)
        own = [each for each in study.of(self.state.selection) if each.state == "complete"]
        if not own:
            return None
        trial = own[0]
        if trial.twin_of is not None:
            trial = study.trial(trial.twin_of) or trial
        above = trial.lineage.parent_trial if trial.lineage is not None else None
        return trial if above is None else study.trial(above) or trial

    def _read(self, trial: Trial) -> None:
        wanted = self._parent
        self.head.value = parent_head(trial)

        def take(reading: ParentReading) -> None:
            with self._lock:
                if self._parent == wanted:
                    self._show_parent(reading)

        def failed(problem: str) -> None:
            with self._lock:
                if self._parent == wanted:
                    self.head.value = Html(parent_head(trial) + alert(problem))

        self._compressing.read(trial, take, failed)

    def _let_go(self) -> None:
        """Forget the parent before: what was asked of it, and what was found."""
        self._appraising.stop()
        if self._rest is not None:
            self._rest.cancel()
        self._reading, self._pass_s, self._roads_asked = None, None, None
        self._bits = {}
        self.roads.clear()

    def _seen(self, seen: bool) -> None:
        for part in self._full:
            part.layout.display = None if seen else "none"
        alone = self._top.remove_class if seen else self._top.add_class
        alone("nv-alone")

    def _show_parent(self, reading: ParentReading) -> None:
        self._reading = reading
        self.head.value = Html(
            parent_head(reading.trial) + (alert(reading.problem) if reading.problem else "")
        )
        choice = PartsChoice.whole(reading.trial.candidate.architecture)
        self.parts.show(choice, reading.measured)
        self.parts.say(False, measured_words(reading.measured))
        self._seen(True)
        self._show_child()
        self._show_trials()

    # Measuring and scoring, in the process that has torch.

    def _measure(self, methods: Sequence[Method]) -> None:
        with self._lock:
            reading = self._reading
            if reading is None or not methods:
                return
            self.parts.say(True, progress_words(methods[0], 0.0))
            folder, corpus = str(reading.folder), reading.trial.corpus
            self._appraising.measure([MeasureOrder(folder, corpus, each) for each in methods])

    def _score(self) -> None:
        """Have the choice scored, and what else the tab holds it against."""
        with self._lock:
            reading = self._reading
            if reading is None:
                return
            folder, corpus = str(reading.folder), reading.trial.corpus
            orders = [ScoreOrder(folder, corpus, kept) for kept in self._unscored()]
            self._appraising.score(orders)
            self._show_child()

    def _unscored(self) -> list[Kept]:
        """Return what is to be scored: the parent, the choice, and its first layers alone."""
        reading, choice = self._reading, self.parts.choice
        assert reading is not None
        assert choice is not None
        parent = choice.parent
        wanted = [Kept.of(parent)]
        try:
            kept = self.parts.kept()
        except InputError:
            return [each for each in wanted if each not in self._bits]  # said beside the costs
        wanted += [kept, Kept.of(parent, layers=range(len(kept.layers)))]
        return [each for each in dict.fromkeys(wanted) if each not in self._bits]

    def _told(self, order: Order, report: Appraisal) -> None:
        """Take a report of the process, on its thread."""
        with self._lock:
            reading = self._reading
            if reading is None or order.folder != str(reading.folder):
                return  # of a parent before
            if isinstance(order, MeasureOrder):
                self._told_measured(reading, order, report)
            else:
                self._told_scored(reading, order, report)

    def _told_measured(
        self, reading: ParentReading, order: MeasureOrder, report: Appraisal
    ) -> None:
        if report.failed:
            self.parts.say(self._appraising.measuring, alert(report.failed))
        elif report.stopped:
            self.parts.say(False, measured_words(reading.measured))
        elif not report.done:
            self.parts.say(True, progress_words(order.method, report.share))
        else:
            found = load_measurement(
                reading.folder, order.method, reading.trial.candidate.architecture
            )
            measured = {**reading.measured, order.method: found}
            self._reading = replace(reading, measured=measured)
            self.parts.take_measured(measured)
            self.parts.say(self._appraising.measuring, measured_words(measured))
            if not self._appraising.measuring and self._pass_s is None:
                self._score()  # tells how long a pass takes

    def _told_scored(self, reading: ParentReading, order: ScoreOrder, report: Appraisal) -> None:
        if report.failed:
            self._show_child(report.failed)
            return
        if report.bits_per_byte is None:
            return
        self._bits[order.kept] = report.bits_per_byte
        if order.kept == Kept.of(reading.trial.candidate.architecture):
            self._pass_s = report.seconds
        self._show_child()

    # What is left.

    def _changed(self, _choice: PartsChoice) -> None:
        """Show another choice at once, and have it scored when it rests, where that is quick."""
        with self._lock:
            self._show_child()
            if self._rest is not None:
                self._rest.cancel()
            if self._is_quick():
                self._rest = threading.Timer(REST_S, self._score)
                self._rest.daemon = True
                self._rest.start()

    def _is_quick(self) -> bool:
        """Whether a choice is scored unasked: of a measured parent also where nothing is known."""
        if self._pass_s is None:
            return self._reading is not None and bool(self._reading.measured)
        return self._pass_s <= QUICK_S

    def _show_child(self, problem: str = "") -> None:
        reading, choice = self._reading, self.parts.choice
        if reading is None or choice is None:
            return
        parent = choice.parent
        try:
            kept = self.parts.kept()
            child = kept.architecture(parent)
        except InputError as wrong:
            self.child.show(None, (None, None), str(wrong), False)
            self.ways.value = Html("")
            return
        quality = (self._bits.get(Kept.of(parent)), self._bits.get(kept))
        scoring = self._appraising.scoring and None in quality
        self.child.show((parent, child), quality, problem, scoring)
        self._show_ways(reading, kept)

    def _show_ways(self, reading: ParentReading, kept: Kept) -> None:
        parent, depth = reading.trial.candidate.architecture, len(kept.layers)
        asked = (self.state.workload, self.state.hardware)
        first = Kept.of(parent, layers=range(depth))
        ways = [
            pruned_way(kept.architecture(parent), self._bits.get(kept), *asked),
            fixed_exit_way(parent, depth, self._bits.get(first), *asked),
        ]
        missing = missing_exits(reading.exits, depth)
        if not missing and reading.exits is not None:
            ways.append(dynamic_exit_way(reading.exits, depth, *asked))
        self.ways.value = ways_table(ways, missing)

    # Trials of it.

    def _heal(self, way: Heal, tokens: int) -> None:
        with self._lock:
            reading = self._reading
            if reading is None:
                return
            self.child.refuse("")
            budget = tokens if way != "none" else 1  # of a budget that is not spent
            try:
                kept = self.parts.kept()
            except InputError as problem:
                self.child.refuse(str(problem))
                return
            self._compressing.heal(reading.trial, kept, way, budget, self.child.refuse)

    def _twin(self, paid: Paid) -> None:
        with self._lock:
            child = _going_on(self._children())
            if child is not None:
                self.roads.refuse("")
                self._compressing.twin(child, paid, self.roads.refuse)

    def _children(self) -> tuple[Trial, ...]:
        """Return the children to choose from: the selection's own trials, else all of the parent.

        Where the selection is the parent's candidate (a child with zeros has that too) it is all.
        """
        if self._parent is None:
            return ()
        study, selection = self.state.study, self.state.selection
        children = children_of(study.trials, self._parent[1])
        parent = study.trial(self._parent[1])
        if parent is None or parent.candidate == selection:
            return children
        return tuple(each for each in children if each.candidate == selection) or children

    def _show_trials(self) -> None:
        with self._lock:
            children = self._children()
            child = _going_on(children)
            twin = None if child is None else twin_of(self.state.study.trials, child.number)
            self.child.show_trial(children[-1] if children else None)
            self.roads.offer(child, twin)
            if child is None:
                self._roads_asked = None
                self.roads.clear()
                return
            asked: tuple[object, ...] = (
                child.number, child.state, twin and (twin.number, twin.state), _steps(self.state),
            )  # fmt: skip
            if asked == self._roads_asked:
                return
            self._roads_asked = asked

        def take(roads: BothRoads) -> None:
            with self._lock:
                if self._roads_asked == asked:
                    self.roads.show(roads, child, twin)

        self._compressing.roads(child, twin, take, self.roads.clear)


def _going_on(children: Sequence[Trial]) -> Trial | None:
    """Return the latest that was not given up, None where all were."""
    alive = [each for each in children if each.state not in ("failed", "cancelled")]
    return alive[-1] if alive else None


def _steps(state: ExplorerState) -> Any:
    """Return how far the watched curve is: the roads grow with it."""
    if state.curve is None or not len(state.curve[1]["step"]):
        return None
    return state.curve[0], float(state.curve[1]["step"][-1])
