"""The Compression tab without a browser: what is chosen, measured, scored, healed and refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from exit_readings import reading as exit_reading
from exit_readings import state_of, trial_with

from nasviz.execution.appraised import Appraisal, MeasureOrder, Order, ScoreOrder
from nasviz.execution.appraiser import Appraiser
from nasviz.execution.twin import Paid
from nasviz.quality.crossing import Road
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.kept import Kept
from nasviz.space.lineage import Heal, Lineage
from nasviz.space.measurement import Measurement, Method, kinds_of, save_measurement, shape_of
from nasviz.space.sparsity import Sparsity
from nasviz.study.road_curves import BothRoads
from nasviz.study.trial import Trial
from nasviz.widgets.compressing import Compressing
from nasviz.widgets.panels import compression_tab
from nasviz.widgets.panels.compression_tab import CompressionTab
from nasviz.widgets.parent_reading import ParentReading
from nasviz.widgets.state import ExplorerState, StudySnapshot

SIZES = Architecture(4, 64, 4, 256, 64, n_kv_heads=2, d_ff=32)
PARENT = trial_with(Candidate(SIZES), 3)
HOSTILE = "<img src=x onerror=alert(1)>"


class Process(Appraiser):
    """Keeps what was ordered; `say` answers the order that runs."""

    def __init__(self) -> None:
        self.ordered: list[Order] = []
        self.stopped = 0
        self._hear: Callable[[Appraisal], None] = lambda _report: None

    def order(self, order: Order, hear: Callable[[Appraisal], None]) -> int:
        self.ordered.append(order)
        self._hear = hear
        return len(self.ordered)

    def stop(self) -> None:
        self.stopped += 1

    def say(self, **report: Any) -> None:
        self._hear(Appraisal(len(self.ordered), **report))


class Errands(Compressing):
    """Reads at once what a test put there, and keeps what else was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.extras: dict[str, Any] = {}
        self.healed: list[tuple[int, Kept, Heal, int]] = []
        self.twins: list[tuple[int, Paid]] = []
        self.found: BothRoads | None = None
        self.refusal = ""

    def read(self, trial: Trial, take: Any, failed: Any) -> None:
        if self.refusal:
            failed(self.refusal)
        else:
            take(ParentReading(trial, self.folder, **self.extras))

    def roads(self, child: Trial, twin: Trial | None, take: Any, failed: Any) -> None:
        if self.found is not None:
            take(self.found)

    def heal(self, parent: Trial, kept: Kept, way: Heal, tokens: int, failed: Any) -> None:
        self.healed.append((parent.number, kept, way, tokens))

    def twin(self, child: Trial, paid: Paid, failed: Any) -> None:
        self.twins.append((child.number, paid))


class Tab:
    """A tab over these trials whose selection is the first one's candidate."""

    def __init__(self, folder: Path, *trials: Trial, **extras: Any) -> None:
        self.process = Process()
        self.errands = Errands(folder)
        self.errands.extras = extras
        self.state: ExplorerState = state_of(*trials)
        self.state.select(trials[0].candidate if trials else Candidate(SIZES))
        self.tab = CompressionTab(self.state, self.errands, self.process)

    @property
    def seen(self) -> bool:
        return self.tab._below.layout.display != "none"

    def slide(self, **values: int) -> None:
        sliders = self.tab.parts.sliders
        sliders.values = {**sliders.values, **values}

    def press(self, part: str, *place: int) -> None:
        grid = self.tab.parts.grid
        grid._handle_custom_msg({"type": "toggle", "part": part, "place": list(place)}, [])

    def kept(self) -> Kept:
        return self.tab.parts.kept()

    def add(self, *trials: Trial) -> None:
        study = self.state.study
        self.state.study = StudySnapshot(study.name, study.url, (*study.trials, *trials))


def measured(method: Method, **scores: Any) -> Measurement:
    drawn = np.random.default_rng(0)
    found = {kind: drawn.random(shape_of(SIZES, kind)) for kind in kinds_of(method)}
    return Measurement(
        method, 4096, found | {name: np.asarray(each, float) for name, each in scores.items()}
    )


def child_of(parent: Trial, number: int, candidate: Candidate, **changes: Any) -> Trial:
    facts = {"parent_bits_per_byte": 2.0, "unhealed_bits_per_byte": 3.0}
    trial = trial_with(candidate, number, 2.2, pruned=facts)
    return replace(trial, **{"lineage": Lineage(parent_trial=parent.number), **changes})


def test_the_selections_trained_trial_is_the_parent_and_all_of_it_stays(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    assert tab.seen
    assert "trial 3" in tab.tab.head.value
    assert tab.kept() == Kept.of(SIZES)
    rows = tab.tab.parts.grid.rows
    assert [len(row["groups"]) for row in rows] == [2, 2, 2, 2]
    assert all(row["share"] is None for row in rows), "nothing is measured yet"
    assert "Not measured yet" in tab.tab.parts.legend.value
    assert tab.process.ordered == [], "nothing runs that nobody asked for"


@pytest.mark.parametrize("state", ["running", "waiting", "paused"])
def test_a_parent_that_is_still_training_is_refused_in_words(tmp_path: Path, state: Any) -> None:
    tab = Tab(tmp_path, replace(PARENT, state=state))
    assert not tab.seen
    assert f"Trial 3 is {state}: its model isn&#x27;t trained yet." in tab.tab.head.value
    assert "Wait until it is complete" in tab.tab.head.value
    tab.state.study = StudySnapshot("study", tab.state.study.url, (PARENT,))
    assert tab.seen, "it is there as soon as the trial is complete"


def test_without_a_trained_model_the_tab_says_what_to_do(tmp_path: Path) -> None:
    tab = Tab(tmp_path)
    assert "train it (Training), then prune it here" in tab.tab.head.value
    failed = Tab(tmp_path, replace(PARENT, state="failed", reason=HOSTILE))
    assert "&lt;img" in failed.tab.head.value
    assert "<img" not in failed.tab.head.value
    other = trial_with(Candidate(SIZES.with_(n_layers=2)), 5)
    chosen = Tab(tmp_path, replace(PARENT, state="running"), other)
    assert "Or choose a trained parent above" in chosen.tab.head.value
    chosen.tab.chooser.values = {"parent": 5}
    assert chosen.seen
    assert "trial 5" in chosen.tab.head.value


def test_a_parent_chosen_in_one_study_is_not_chosen_in_another(tmp_path: Path) -> None:
    other = trial_with(Candidate(SIZES.with_(n_layers=2)), 5)
    tab = Tab(tmp_path, PARENT, other)
    tab.tab.chooser.values = {"parent": 5}
    assert "trial 5" in tab.tab.head.value
    url = tab.state.study.url  # one file holds several studies
    tab.state.study = StudySnapshot("other", url, (PARENT, other))
    assert tab.tab.chooser.values == {"parent": None}
    assert "trial 3" in tab.tab.head.value, "the selection's again"


def test_a_parent_whose_files_are_gone_says_so(tmp_path: Path) -> None:
    tab = Tab(tmp_path)
    tab.errands.refusal = f"trial 3 is complete: there is no model to prune {HOSTILE}"
    tab.add(PARENT)
    assert "there is no model to prune &lt;img" in tab.tab.head.value
    assert not tab.seen


def test_measuring_shows_how_far_it_is_is_kept_and_colours_the_parts(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    parts = tab.tab.parts
    parts.measure.click()
    order = tab.process.ordered[-1]
    assert order == MeasureOrder(str(tmp_path), "python", "activation")
    assert (parts.measure.disabled, parts.cancel.disabled) == (True, False)
    tab.process.say(share=0.4)
    assert "width:40.0%" in parts.progress.value
    save_measurement(measured("activation", layers=[4, 0, 1, 9]), tmp_path)
    tab.process.say(share=1.0, done=True)
    assert "Measured (activation) on 4,096 tokens" in parts.progress.value
    assert (parts.measure.description, parts.measure.disabled) == ("Measured", True)
    shares = [row["share"] for row in parts.grid.rows]
    assert shares == pytest.approx([2 / 3, 0, 1 / 3, 1])
    # Then the parent is scored once, which tells how long a pass takes.
    assert tab.process.ordered[-1] == ScoreOrder(str(tmp_path), "python", Kept.of(SIZES))


def test_a_measurement_can_be_cancelled_and_what_goes_wrong_is_said(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    parts = tab.tab.parts
    parts.measure.click()
    parts.cancel.click()
    assert tab.process.stopped
    tab.process.say(stopped=True)
    assert (parts.measure.disabled, parts.progress.value) == (False, "")
    parts.measure.click()
    tab.process.say(failed=f"no text {HOSTILE}")
    assert "no text &lt;img" in parts.progress.value
    assert not parts.measure.disabled


def test_sliders_keep_the_most_important_parts(tmp_path: Path) -> None:
    heads = [[1, 1, 3, 0], [0, 1, 5, 5], [9, 9, 0, 0], [2, 2, 2, 3]]
    found = {"activation": measured("activation", layers=[4, 0, 1, 9], heads=heads)}
    tab = Tab(tmp_path, PARENT, measured=found)
    assert all(row["share"] is not None for row in tab.tab.parts.grid.rows)
    tab.slide(layers=2)
    tab.slide(heads=2)
    tab.slide(d_ff=8)
    kept = tab.kept()
    assert kept.layers == (0, 3)
    assert kept.heads == ((2, 3), (2, 3))
    best = np.argsort(-found["activation"].scores["ff_units"][3, 0])[:8]
    assert kept.ff_units[1][0] == tuple(sorted(best.tolist()))
    tab.tab.parts.methods.values = {"layers_by": "first", "parts_by": "activation"}
    assert tab.kept().layers == (0, 1), "the sliders choose anew by another rule"
    tab.tab.parts.whole.click()
    assert tab.kept() == Kept.of(SIZES)


def test_a_click_takes_a_part_and_gives_it_back_and_costs_follow_at_once(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    before = tab.tab.child.cost.value
    tab.press("layer", 1)
    assert tab.kept().layers == (0, 2, 3)
    assert tab.tab.child.cost.value != before
    assert tab.tab.parts.sliders.values["layers"] == 3
    tab.press("layer", 1)
    assert tab.tab.child.cost.value == before
    for layer in range(4):
        tab.press("group", layer, 0)
    assert tab.kept().heads == ((2, 3),) * 4
    assert tab.kept().architecture(SIZES).n_kv_heads == 1


def test_parts_chosen_by_hand_stay_until_a_slider_moves(tmp_path: Path) -> None:
    found = {"activation": measured("activation", layers=[4, 0, 1, 9])}
    tab = Tab(tmp_path, PARENT, measured=found)
    methods = tab.tab.parts.methods
    tab.press("layer", 3)
    methods.values = {"layers_by": "first", "parts_by": "activation"}
    assert tab.kept().layers == (0, 1, 2)
    methods.values = {"layers_by": "block_influence", "parts_by": "activation"}
    assert tab.kept().layers == (0, 1, 2), "no method undoes what a hand did"
    tab.slide(layers=2)
    assert tab.kept().layers == (0, 3)
    methods.values = {"layers_by": "first", "parts_by": "activation"}
    assert tab.kept().layers == (0, 1), "what a slider chose is chosen anew"


def test_a_choice_that_no_model_can_have_says_why_and_can_not_be_healed(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    tab.press("head", 0, 1)
    child = tab.tab.child
    assert "keep equally many of each group of 2" in child.problem.value
    assert child.heal.disabled
    tab.press("head", 0, 1)
    assert child.problem.value == ""
    assert child.heal.disabled, "nothing is taken away"
    tab.press("layer", 0)
    assert not child.heal.disabled
    for layer in range(1, 4):
        tab.press("layer", layer)
    assert child.heal.disabled
    assert child.problem.value


def test_a_score_is_shown_beside_the_parents_and_in_the_three_ways(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    tab.press("layer", 1)
    tab.tab.child.score.click()
    (parent,) = tab.process.ordered
    assert isinstance(parent, ScoreOrder)
    assert parent.kept == Kept.of(SIZES)
    assert "scoring" in tab.tab.child.scored.value
    bits = {Kept.of(SIZES): 2.0, tab.kept(): 2.5, Kept.of(SIZES, layers=(0, 1, 2)): 3.25}
    for _ in bits:
        running = tab.process.ordered[-1]
        assert isinstance(running, ScoreOrder)
        tab.process.say(bits_per_byte=bits[running.kept], seconds=60.0, done=True)
    said = tab.tab.child.cost.value
    for figure in ("2.000", "2.500", "125.0%"):
        assert figure in said.replace("\N{NO-BREAK SPACE}", " ")
    assert "scoring" not in tab.tab.child.scored.value
    ways = tab.tab.ways.value
    for part in ("pruned, as chosen", "2.500", "fixed exit after 3", "3.250", "kept no sweep"):
        assert part in ways
    tab.press("layer", 2)
    assert not any(isinstance(each, ScoreOrder) for each in tab.process.ordered[3:]), (
        "a pass of a minute waits for the button"
    )


def test_choices_are_scored_as_they_are_made_where_a_pass_is_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Now:
        def __init__(self, _seconds: float, act: Callable[[], None]) -> None:
            self.act = act

        def start(self) -> None:
            self.act()

        def cancel(self) -> None:
            pass

    tab = Tab(tmp_path, PARENT)
    tab.tab.child.score.click()
    tab.process.say(bits_per_byte=2.0, seconds=0.2, done=True)
    monkeypatch.setattr(compression_tab.threading, "Timer", Now)
    tab.press("layer", 0)
    order = tab.process.ordered[-1]
    assert isinstance(order, ScoreOrder)
    assert order.kept == tab.kept()
    stops = tab.process.stopped
    tab.press("layer", 3)
    assert tab.process.stopped == stops + 1, "the choice before is not wanted any more"
    tab.process.say(stopped=True)
    order = tab.process.ordered[-1]
    assert isinstance(order, ScoreOrder)
    assert order.kept == tab.kept()


def test_of_a_parent_measured_earlier_a_choice_is_scored_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rested: list[Callable[[], None]] = []

    class Later:
        def __init__(self, _seconds: float, act: Callable[[], None]) -> None:
            self.start = lambda: rested.append(act)

        def cancel(self) -> None:
            rested.clear()

    monkeypatch.setattr(compression_tab.threading, "Timer", Later)
    plain = Tab(tmp_path, PARENT)
    plain.press("layer", 0)
    assert rested == [], "nobody asked torch to start"
    tab = Tab(tmp_path, PARENT, measured={"activation": measured("activation")})
    tab.press("layer", 0)
    rested[0]()
    assert [order.kept for order in tab.process.ordered] == [Kept.of(SIZES)], "the parent first"


def test_a_dynamic_exit_of_as_many_layers_stands_beside_both(tmp_path: Path) -> None:
    exits = exit_reading(n_exits=7)
    tab = Tab(tmp_path, exits.trial, exits=exits)
    for layer in (1, 2, 5):
        tab.press("layer", layer)
    ways = tab.tab.ways.value
    assert "dynamic exit, threshold" in ways
    assert "fixed exit after 5" in ways
    sweep = exits.answers(exits.option.criterion).calibration
    index = sweep.deepest_within(5)
    assert f"{sweep.bits_per_byte[index]:.3f}" in ways
    for layer in (0, 3, 4, 6):
        tab.press("layer", layer)
    assert tab.kept().layers == (7,)


def test_heal_stores_exactly_the_parts_that_were_chosen(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    tab.press("layer", 2)
    child = tab.tab.child
    child.knobs.values = {"heal": "lora", "tokens": 5_000}
    child.heal.click()
    assert tab.errands.healed == [(3, Kept.of(SIZES, layers=(0, 1, 3)), "lora", 5_000)]
    child.knobs.values = {"heal": "distill", "tokens": "many"}
    assert child.knobs.errors == {"tokens": "a whole number, 1 or more"}
    assert child.heal.disabled
    child.knobs.values = {"heal": "none", "tokens": "many"}
    assert child.heal.description == "Keep as it is cut"
    child.heal.click()
    assert tab.errands.healed[-1][2] == "none"


def test_a_child_is_followed_and_its_twin_is_one_press_away(tmp_path: Path) -> None:
    small = Candidate(SIZES.with_(n_layers=2))
    tab = Tab(tmp_path, PARENT)
    child = tab.tab.child
    roads_panel = tab.tab.roads
    assert roads_panel.twin.disabled
    tab.errands.found = roads = BothRoads(
        Road.of([1, 8], [4, 2]), Road.of([8, 9], [3, 2.2]), Road.of([8, 9], [3, 2.2]), None, 1
    )
    tab.add(child_of(PARENT, 4, small, state="running"))
    assert "heals by its parent" in child.healed.value
    assert roads_panel.twin.disabled
    assert "is known when it is complete" in roads_panel.twin.tooltip
    tab.state.study = StudySnapshot(
        "study", tab.state.study.url, (PARENT, child_of(PARENT, 4, small))
    )
    assert "2.000" in child.healed.value
    assert "3.000" in child.healed.value
    assert "2.200" in child.healed.value
    assert "has no twin yet" in tab.tab.roads.said.value
    roads_panel.paid.values = {"paid": "share"}
    roads_panel.twin.click()
    assert tab.errands.twins == [(4, "share")]
    tab.errands.found = replace(roads, scratch=Road.of([2, 8, 9], [6, 3.5, 2.1]))
    twin = trial_with(small, 5)
    tab.add(replace(twin, proposal=MappingProxyType({"twin_of": 4})))
    assert roads_panel.twin.disabled
    assert "from scratch is as good from" in tab.tab.roads.said.value
    # The family stays on show when the child is selected.
    tab.state.select(small)
    assert "trial 3" in tab.tab.head.value


def test_a_child_with_its_parents_sizes_does_not_hide_later_children(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    zeros = Lineage(parent_trial=3, sparsity=Sparsity("2:4"))
    tab.add(child_of(PARENT, 4, PARENT.candidate, lineage=zeros))
    assert "trial 4 " in tab.tab.child.healed.value
    tab.add(child_of(PARENT, 5, Candidate(SIZES.with_(n_layers=2))))
    assert "trial 5 " in tab.tab.child.healed.value
    # Their names tell apart what their sizes don't.
    assert "trial 4 · 4 layers × 64 wide · from trial 3, 2:4 zeros" in str(tab.tab.chooser.knobs)


def test_a_cancelled_child_says_so_and_leaves_the_one_before_its_twin(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    small = Candidate(SIZES.with_(n_layers=2))
    tab.add(child_of(PARENT, 4, small), child_of(PARENT, 5, small, state="cancelled"))
    said = tab.tab.child.healed.value
    assert "trial 5 " in said
    assert "was not healed to its end" in said
    assert "curve grows" not in said
    tab.tab.roads.twin.click()
    assert tab.errands.twins == [(4, "whole")]


def test_a_child_kept_as_it_was_cut_is_not_called_healed(tmp_path: Path) -> None:
    tab = Tab(tmp_path, PARENT)
    cut = Lineage(parent_trial=3, heal="none")
    tab.add(child_of(PARENT, 4, Candidate(SIZES.with_(n_layers=2)), lineage=cut))
    assert "3.000" in tab.tab.child.healed.value
    assert " healed" not in tab.tab.child.healed.value


def test_a_choice_of_a_parent_before_is_not_scored_for_the_next(tmp_path: Path) -> None:
    other = trial_with(Candidate(SIZES.with_(n_layers=2)), 6)
    tab = Tab(tmp_path, PARENT, other)
    tab.tab._pass_s = 0.1  # a quick parent: choices are scored when they rest
    tab.press("layer", 1)
    rest = tab.tab._rest
    assert rest is not None
    tab.state.select(other.candidate)
    assert rest.finished.is_set(), "cancelled, so that nothing runs that nobody asked for"
    assert tab.process.ordered == []
