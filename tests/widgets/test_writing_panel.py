"""Write, race and what-if in the Dynamic tab: what is ordered, shown, refused and forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from exit_readings import reading, state_of, trial_with
from writing_desk import Desk, text_of

from nasviz.cost.energy import joules
from nasviz.cost.hardware import Hardware
from nasviz.cost.units import quantity
from nasviz.execution.written import Report
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.self_speculation import SelfSpeculation
from nasviz.study.trial import Trial
from nasviz.widgets.panels.dynamic_tab import DynamicTab

SIZES = Architecture(4, 64, 2, 256, 64)
EXITS = InferencePolicy((EarlyExit(threshold=0.6),))
GUESSES = InferencePolicy((SelfSpeculation(),))
HOSTILE = "<img src=x onerror=alert(1)>"


def panel_of(*trials: Trial) -> tuple[DynamicTab, Desk]:
    """Return a tab whose selection is the first trial's candidate."""
    desk = Desk()
    state = state_of(*trials)
    tab = DynamicTab(state, desk)
    state.select(trials[0].candidate)
    return tab, desk


def written(policy: InferencePolicy = EXITS) -> tuple[DynamicTab, Desk]:
    """Return a tab with a text of four words on show."""
    tab, desk = panel_of(trial_with(Candidate(SIZES, policy)))
    tab.writing.write.click()
    desk.say(Report(7, (text_of("a", "b", "c", "d"),), done=True))
    return tab, desk


def turn(tab: DynamicTab, **values: object) -> None:
    knobs = tab.writing.what_if.knobs
    knobs.values = {**knobs.values, **values}


def test_write_orders_a_text_under_the_policy_and_shows_it_as_it_comes() -> None:
    tab, desk = panel_of(trial_with(Candidate(SIZES, EXITS), 3))
    panel = tab.writing
    assert "trial 3 · early exit 0.6" in panel.head.value
    panel.knobs.values = {"prompt": "Once", "tokens": 16, "temperature": 0.5, "seed": 9}
    panel.write.click()
    ((number, policies, asked),) = desk.written
    assert (number, policies) == (3, (EXITS,))
    assert (asked.prompt, asked.n_tokens, asked.temperature, asked.seed) == ("Once", 16, 0.5, 9)
    assert "starting the model" in panel.progress.value
    assert panel.write.disabled
    assert panel.race.disabled
    assert not panel.stop.disabled
    desk.say(Report(1, (text_of("a", "b"),)))
    assert panel.text.text["words"] == ["a", "b"]
    assert "2 of 16 tokens" in panel.progress.value
    desk.say(Report(1, (text_of("a", "b", HOSTILE),), done=True))
    assert panel.text.text["words"][-1] == HOSTILE  # the page puts it there as text
    assert panel.progress.value == ""
    assert panel.stop.disabled
    assert not panel.write.disabled
    said = panel.said.value
    energy = quantity(float(joules(0.002, Hardware.default())), "J")
    for part in ("2\N{NO-BREAK SPACE}ms a token", f"{energy} a token, estimated", "500"):
        assert part in said


def test_stop_asks_the_writer_and_what_there_is_stays() -> None:
    tab, desk = panel_of(trial_with(Candidate(SIZES, EXITS)))
    tab.writing.write.click()
    tab.writing.stop.click()
    assert desk.stopped == 1
    desk.say(Report(1, (text_of("a"),), done=True, stopped=True))
    assert "1 token, stopped" in tab.writing.said.value
    assert tab.writing.text.text["words"] == ["a"]


def test_a_failure_is_said_and_the_buttons_come_back() -> None:
    tab, desk = panel_of(trial_with(Candidate(SIZES, EXITS)))
    tab.writing.write.click()
    desk.say(Report(1, failed=f"no {HOSTILE}"))
    assert "&lt;img" in tab.writing.progress.value
    assert not tab.writing.write.disabled


def test_a_race_shows_both_sides_and_where_they_part() -> None:
    tab, desk = panel_of(trial_with(Candidate(SIZES, GUESSES)))
    panel = tab.writing
    panel.race.click()
    assert desk.written[0][1] == (InferencePolicy(), GUESSES)
    static = text_of("a", "b", "c", depth=4, token_s=0.004)
    guessed = replace(text_of("a", "x", "y", depth=4), acceptance=0.75, tokens_per_round=2.5)
    desk.say(Report(1, (static, guessed)))
    assert "75% of guesses kept" in panel.lanes.heads[1].value.replace("<b>", "").replace(
        "</b>", ""
    )
    assert "guesses" not in panel.lanes.heads[0].value
    assert panel.lanes.said.value == ""
    desk.say(Report(1, (static, guessed), done=True, parted_at=1))
    assert [each.text["parted"] for each in panel.lanes.texts] == [1, 1]
    said = panel.lanes.said.value
    for part in ("part at token 2", "guesses kept", "75%", "tokens a round", "−50 %", "estimated"):
        assert part in said
    assert "Guesses draw random numbers too" in said
    desk.say(Report(1, (static, static), done=True))
    assert "Both wrote the same text" in panel.lanes.said.value


def test_a_static_trial_writes_but_has_nothing_to_race_against() -> None:
    tab, desk = panel_of(trial_with(Candidate(SIZES)))
    assert tab.writing.race.disabled
    assert "nothing to race against" in tab.writing.race.tooltip
    tab.writing.write.click()
    assert desk.written[0][1] == (InferencePolicy(),)


def test_a_token_that_was_clicked_while_the_text_grew_is_the_one_to_replay_from() -> None:
    tab, desk = panel_of(trial_with(Candidate(SIZES, EXITS)))
    what_if = tab.writing.what_if
    tab.writing.write.click()
    desk.say(Report(7, (text_of("a", "b"),)))
    tab.writing.text.tapped = 1
    assert what_if.button.disabled
    desk.say(Report(7, (text_of("a", "b", "c"),), done=True))
    assert "From token 2, <b>“b”</b>" in what_if.token.value
    what_if.button.click()
    assert desk.replayed[0][:2] == (7, 1)


def test_a_clicked_token_is_replayed_under_what_the_knobs_change() -> None:
    tab, desk = written()
    what_if = tab.writing.what_if
    assert what_if.button.disabled
    assert "Click a token" in what_if.token.value
    tab.writing.text.tapped = 2
    assert "From token 3, <b>“c”</b>, which took 2 of 4 layers" in what_if.token.value
    turn(tab, exits="threshold")
    turn(tab, threshold=0.25)
    turn(tab, window=8, width=0.5)
    what_if.button.click()
    ((text, at, policy),) = desk.replayed
    assert (text, at) == (7, 2)
    assert policy == InferencePolicy(
        (EarlyExit(threshold=0.25), KVWindow(window=8), DynamicWidth(ff_share=0.5))
    )
    was, now = text_of("a", "b", "c", "d"), text_of("a", "b", "x", "y", token_s=0.001)
    desk.say(Report(8, (was, now), done=True, begin=2, parted_at=2))
    assert tab.writing.lanes.texts[1].text["kept"] == 2
    assert "changed: exit by a threshold" not in tab.writing.lanes.names[1]
    assert "cache the latest 8 tokens" in tab.writing.lanes.names[1]
    assert "part at token 3" in tab.writing.lanes.said.value
    assert "−50 %" in tab.writing.lanes.said.value
    # The text stays: another token can be clicked.
    tab.writing.text.tapped = 0
    turn(tab, exits=2, window=None, width=None)
    what_if.button.click()
    option = desk.replayed[1][2].get(EarlyExit)
    assert option is not None
    assert (option.layers, option.threshold) == ((2,), 0.0)


def test_what_cannot_be_combined_is_refused_with_the_policy_s_reason() -> None:
    tab, _ = written(GUESSES)
    what_if = tab.writing.what_if
    tab.writing.text.tapped = 1
    assert not what_if.button.disabled
    turn(tab, exits=1)
    assert "guesses are checked by all layers" in what_if.refusal.value
    assert what_if.button.disabled
    turn(tab, exits=None, window=8)
    assert "a window has let go of what they" in what_if.refusal.value
    turn(tab, window=None, width=0.5)
    assert what_if.refusal.value == ""
    assert not what_if.button.disabled


def test_another_trial_takes_the_text_off_the_page_and_stops_it() -> None:
    first, second = trial_with(Candidate(SIZES, EXITS), 0), trial_with(Candidate(SIZES), 1)
    tab, desk = panel_of(first, second)
    tab.writing.write.click()
    desk.say(Report(1, (text_of("a"),)))
    tab.state.select(second.candidate)
    assert desk.stopped == 1
    assert tab.writing.text.text == {}
    desk.say(Report(1, (text_of("a", "b"),), done=True, stopped=True))  # comes too late
    assert tab.writing.text.text == {}
    assert not tab.writing.write.disabled
    assert "trial 1 · static" in tab.writing.head.value


def test_without_a_trained_model_it_says_what_to_do() -> None:
    failed = replace(
        trial_with(Candidate(SIZES), 4), state="failed", reason=f"out of memory {HOSTILE}"
    )
    done = trial_with(Candidate(SIZES, EXITS), 5)
    tab, _ = panel_of(failed, done)
    said = tab.writing.progress.value
    assert "Trial 4 failed" in said
    assert "&lt;img" in said
    assert "Trials tab: 5" in said
    assert tab.writing.write.disabled
    # Settings, text and what-if leave the page: there is nothing to set.
    assert {part.layout.display for part in tab.writing._parts} == {"none"}
    tab.state.select(done.candidate)
    assert {part.layout.display for part in tab.writing._parts} == {None}
    tab.state.select(Candidate(SIZES.with_(n_layers=2)))
    assert "Press “Train this” first" in tab.writing.progress.value


def test_it_writes_at_the_threshold_that_the_slider_says() -> None:
    read = reading(500, 3)
    desk = Desk()
    state = state_of(read.trial)
    tab = DynamicTab(state, desk)
    state.select(read.trial.candidate)
    state.exits = read
    tab.writing.write.click()
    assert desk.written[-1][1] == (read.trial.candidate.inference,)  # its own, not the grid's
    desk.say(Report(1, (text_of("a"),), done=True))
    place = tab.controls.slider.knobs[0]["values"][40]
    tab.controls.slider.values = {"threshold": place}
    tab.writing.write.click()
    option = desk.written[-1][1][0].get(EarlyExit)
    assert option is not None
    assert option.threshold == pytest.approx(place, abs=1e-6)
    assert f"early exit {option.threshold:.3g}" in tab.writing.head.value


def test_settings_that_make_no_sense_are_said_where_they_are() -> None:
    tab, _ = panel_of(trial_with(Candidate(SIZES)))
    knobs = tab.writing.knobs
    knobs.values = {**knobs.values, "prompt": "", "seed": 1.5}
    assert set(knobs.errors) == {"prompt", "seed"}
    assert tab.writing.write.disabled
    knobs.values = {**knobs.values, "prompt": "a", "seed": 2}
    assert knobs.errors == {}
    assert not tab.writing.write.disabled
