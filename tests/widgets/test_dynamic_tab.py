"""The Dynamic tab as a reader of exits: slider, target, policy, text, and what stands beside."""

from __future__ import annotations

import numpy as np
import pytest
from exit_readings import HOSTILE, reading, state_of, trial_with
from writing_desk import Desk

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.plots.text_heat_map import heat_map_of
from nasviz.quality.exit_rule import leave, outcome
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.kept import Kept
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.self_speculation import SelfSpeculation
from nasviz.widgets.exit_costs import COSTS, Pricing
from nasviz.widgets.exit_reading import ExitReading, trial_with_exits
from nasviz.widgets.exit_words import empty_words, measured_words, signed
from nasviz.widgets.panels.card import Card
from nasviz.widgets.panels.dynamic_tab import DynamicTab
from nasviz.widgets.token_text import page_of


@pytest.fixture(scope="module")
def read() -> ExitReading:
    return reading()


@pytest.fixture
def tab(read: ExitReading) -> DynamicTab:
    state = state_of(read.trial)
    made = DynamicTab(state, Desk())
    state.select(read.trial.candidate)
    state.exits = read
    return made


def slide(tab: DynamicTab, place: int) -> None:
    thresholds = tab.controls.slider.knobs[0]["values"]
    tab.controls.slider.values = {"threshold": thresholds[place]}


def chosen(tab: DynamicTab) -> tuple[float, float]:
    """Return (cost, bits per byte) of the point on the curve."""
    assert tab.curve.document is not None
    figure = tab.curve.document.roots[0]
    data = figure.select_one({"name": "chosen"}).data_source.data
    return float(data["x"][0]), float(data["y"][0])


def test_it_begins_at_the_policy_that_the_trial_was_measured_with(
    tab: DynamicTab, read: ExitReading
) -> None:
    by_rule = outcome(read.test, leave(read.test, EarlyExit(threshold=0.7)))
    assert chosen(tab)[1] == pytest.approx(by_rule.bits_per_byte, rel=0.02)  # the grid's nearest
    assert tab.controls.settings.criterion == "max_probability"


def test_a_lower_threshold_is_never_deeper_and_the_text_is_recoloured(tab: DynamicTab) -> None:
    depths, colours = [], []
    for place in (180, 120, 80, 40, 0):
        slide(tab, place)
        depths.append(chosen(tab)[0])
        colours.append(np.frombuffer(tab.heat.text.left, np.uint8).astype(int).sum())
    assert depths == sorted(depths, reverse=True)
    assert colours == sorted(colours, reverse=True)
    assert depths[-1] == 1.0


def test_a_target_is_kept_on_the_calibration_part_with_as_few_layers_as_that_allows(
    tab: DynamicTab, read: ExitReading
) -> None:
    tab.controls.choices.values = {**tab.controls.choices.values, "target": 0.02}
    swept = read.answers("max_probability").calibration
    most = swept.bits_per_byte[-1] * 1.02
    index = tab.controls.settings.index
    assert swept.bits_per_byte[index] <= most
    cheaper = swept.average_layers < swept.average_layers[index]
    assert (swept.bits_per_byte[cheaper] > most).all()
    assert "Chosen on the calibration part" in tab.said.value
    slide(tab, index - 30)
    assert tab.controls.choices.values["target"] is None
    assert "Chosen" not in tab.said.value


def test_the_button_makes_the_threshold_the_candidate_s_and_its_exits_stay(
    tab: DynamicTab, read: ExitReading
) -> None:
    slide(tab, 90)
    tab.take.click()
    selected = tab.state.selection
    assert selected is not None
    option = selected.inference.get(EarlyExit)
    assert option is not None
    assert option.threshold == pytest.approx(tab.controls.slider.values["threshold"], abs=1e-6)
    assert trial_with_exits(tab.state.study.trials, selected) == read.trial


def test_the_card_prices_a_new_threshold_by_what_the_exits_said_of_text(
    tab: DynamicTab, read: ExitReading
) -> None:
    card, state = Card(tab.state, lambda: None), tab.state
    assert "by what trial 0 saw" in card.figures.value
    slide(tab, 60)
    tab.take.click()
    selected = state.selection
    assert selected is not None
    option = selected.inference.get(EarlyExit)
    assert option is not None
    shares = outcome(read.test, leave(read.test, option)).exit_shares
    observed = Observed(exit_shares=shares)
    priced = card._priced(selected)
    assert priced.basis == "by what trial 0's exits said of held-out text"
    by_trace = estimate(selected, state.workload, state.hardware, observed)
    by_prior = estimate(selected, state.workload, state.hardware)
    assert priced.cost.flops.decode_per_token == pytest.approx(by_trace.flops.decode_per_token)
    assert priced.cost.flops.decode_per_token != pytest.approx(by_prior.flops.decode_per_token)
    # What the trace didn't see stays with the prior, and says so.
    state.select(Candidate(selected.architecture, selected.inference.with_(KVWindow(window=8))))
    assert "from priors, not measured" in card.figures.value


def test_a_trial_that_guesses_says_how_often_it_was_right() -> None:
    guessing = Candidate(Architecture(4, 64, 2, 256, 64), InferencePolicy((SelfSpeculation(),)))
    speed = {"acceptance": 0.625, "tokens_per_round": 2.875, "n_prompts": 6, "n_tokens": 64}
    measured = trial_with(guessing, 3, static_bits_per_byte=2.0, generation_speed=speed)
    said = measured_words(measured)
    for part in ("guesses kept", "62%", "tokens a round", "2.88", "6 texts of 64 tokens"):
        assert part in said
    silent = {**speed, "acceptance": None, "tokens_per_round": None}
    other = trial_with(guessing, 3, static_bits_per_byte=2.0, generation_speed=silent)
    assert "guesses kept" not in measured_words(other)


def test_exits_of_another_model_or_other_heads_say_nothing_of_a_candidate(
    read: ExitReading,
) -> None:
    trained = read.trial.candidate
    for other in (
        Candidate(trained.architecture.with_(d_model=96), trained.inference),
        Candidate(trained.architecture, InferencePolicy((EarlyExit(heads="own"),))),
        Candidate(trained.architecture),
    ):
        assert trial_with_exits((read.trial,), other) is None


def test_static_trials_stand_beside_the_curve_where_they_can_be_compared(
    read: ExitReading,
) -> None:
    sizes = read.trial.candidate.architecture
    shallow = trial_with(Candidate(sizes.with_(n_layers=3)), 1)
    wide = trial_with(Candidate(sizes.with_(n_layers=2, d_model=96)), 2)
    uneven = Kept.of(sizes, layers=(0, 4), heads=[(0,), (0, 1)]).architecture(sizes)
    state = state_of(read.trial, shallow, wide, trial_with(Candidate(uneven), 3))
    found = {
        name: [
            point.label.split(",")[0]
            for point in Pricing(name, state.workload, state.hardware).of_static(
                read.trial, state.study.trials
            )
        ]
        for name in COSTS
    }
    assert found["layers"] == ["trial 1"]  # layers of another width are other layers
    assert found["operations"] == ["trial 1", "trial 2", "trial 3"]


def test_every_cost_prices_the_whole_model_as_the_curve_does_without_its_checks(
    read: ExitReading,
) -> None:
    state = state_of(read.trial)
    sweep = read.answers("max_probability").test
    for name in COSTS:
        pricing = Pricing(name, state.workload, state.hardware)
        costs = pricing.of_sweep(read.trial, sweep)
        assert costs.shape == sweep.thresholds.shape
        # At threshold 1 nobody leaves; exits' checks may cost on top.
        assert costs[-1] >= pricing.of_whole(read.trial).cost * (1 - 1e-9)


def test_words_of_a_page_are_listed_once_and_hold_their_bytes_as_text(read: ExitReading) -> None:
    rows = range(500)
    left = read.left("max_probability", 0.7, rows)
    whole = np.zeros(read.test.n_tokens, dtype=np.intp)
    whole[: len(rows)] = left
    record = heat_map_of(read.test, whole, "max_probability", read.piece_of, rows)
    page = page_of(record)
    assert len(page["words"]) == len(set(page["words"]))
    assert HOSTILE.decode() in page["words"]
    pieces = np.frombuffer(page["pieces"], np.uint32)
    assert [page["words"][each] for each in pieces[:50]] == [
        piece.decode() for piece in record.pieces[:50]
    ]


def test_without_exits_the_tab_says_what_comes_next(read: ExitReading) -> None:
    static = Candidate(read.trial.candidate.architecture)
    assert "set “Early exit” to on" in empty_words(static, (), "")
    assert "Trials tab: 0" in empty_words(static, (read.trial,), "")
    assert "isn&#x27;t trained yet" in empty_words(read.trial.candidate, (), "")
    assert "&lt;b&gt;" in empty_words(None, (), "<b>")


def test_changes_read_with_a_sign() -> None:
    assert signed(0.0094) == "+0.94 %"
    assert signed(-0.002) == "−0.2 %"
    assert signed(0.0) == "±0 %"
    assert signed(0.25) == "+25 %"
