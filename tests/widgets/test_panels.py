"""Panels as functions from records to rows and HTML, and as readers and writers of the state."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from xml.etree import ElementTree

import ipywidgets
import pytest

from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.units import quantity
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.quality.records import Quality
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.counting import SpaceCount
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.fields import FIELDS
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.search_space import SearchSpace
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import recipe_for
from nasviz.widgets.breakdown import breakdowns
from nasviz.widgets.card_html import PricedCandidate, quality_rows, summary, weight_rows
from nasviz.widgets.code import architecture_code, explorer_code
from nasviz.widgets.corpus_facts import CorpusFacts
from nasviz.widgets.drawing import MOST_LAYERS, Box, draw_architecture, layout
from nasviz.widgets.editing import edited
from nasviz.widgets.html import bold, key_values, stacked_bar, tag, text
from nasviz.widgets.labels import short_label, worded
from nasviz.widgets.option_space import starting_ranges, with_mode
from nasviz.widgets.panels.header import Header, hardware_knob, study_pills
from nasviz.widgets.panels.limits_panel import LIMITED, LimitsPanel, nice_steps
from nasviz.widgets.panels.map_panel import trial_mark
from nasviz.widgets.panels.search_tab import checked_settings
from nasviz.widgets.panels.space_panel import SpacePanel, count_note, range_knob
from nasviz.widgets.panels.training_tab import (
    TrainingTab,
    configuration,
    trial_status,
    written_samples,
)
from nasviz.widgets.panels.trials_tab import TrialsTab, differences, trial_cells
from nasviz.widgets.plan_rows import plan_knobs, plan_of, plan_values
from nasviz.widgets.roofline_drawing import Roof, draw_roofline, phases
from nasviz.widgets.state import ExplorerState, StudySnapshot

LAPTOP = Hardware.named("laptop-cpu")
HOSTILE = "<script>alert('&')</script>\"x"


def architecture(**changes: int) -> Architecture:
    return Architecture(3, 96, 3, 256, 64).with_(**changes)


def trial(number: int = 3, state: str = "complete", **changes: object) -> Trial:
    result = {
        "bits_per_byte": 2.345, "accuracy": 0.412, "tokens": 99_840, "seconds": 73.0,
        "parameters": 350_000,
    }  # fmt: skip
    given: dict[str, object] = {
        "candidate": Candidate(architecture()),
        "plan": {"tokens": 100_000},
        "corpus": "python",
        "result": MappingProxyType(result if state == "complete" else {}),
    }
    return Trial(number, state=state, **{**given, **changes})  # type: ignore[arg-type]


@pytest.fixture
def state() -> ExplorerState:
    return ExplorerState(SearchSpace.laptop(), hardware=LAPTOP)


# ---- HTML


def test_foreign_text_is_escaped_wherever_it_enters() -> None:
    pieces = [
        text(HOSTILE),
        tag("span", text("x"), title=HOSTILE),
        key_values([(HOSTILE, text(HOSTILE), HOSTILE)]),
        stacked_bar(HOSTILE, {"attention": 1.0}, {"attention": HOSTILE}),
        study_pills(StudySnapshot(name=HOSTILE, url=HOSTILE, problem=HOSTILE)),
        written_samples([{"prompt": HOSTILE, "text": HOSTILE}]),
        trial_status(trial(state="failed", reason=HOSTILE), None),
        count_note(SpaceCount(7, 5, True, {HOSTILE: 2})),
    ]
    for piece in pieces:
        assert "<script" not in piece
        assert "&lt;script" in piece or "&lt;" in piece


def test_a_bar_shows_parts_in_proportion_and_says_them() -> None:
    bar = stacked_bar("weights", {"attention": 1.0, "norm": 0.0, "head": 3.0},
                      {"attention": "1", "norm": "0", "head": "3"})  # fmt: skip
    assert "flex-grow:0.25000" in bar
    assert "flex-grow:0.75000" in bar
    assert "norm" not in bar
    assert 'aria-label="weights: attention 25%, head 75%"' in bar


# ---- the drawing


def test_the_drawing_has_a_frame_a_layer_and_a_box_a_head() -> None:
    boxes = layout(architecture())
    assert sum(box.part == "layer" for box in boxes) == 3
    assert sum(box.part == "attention" for box in boxes) == 3 * 3
    assert sum(box.part == "ff" for box in boxes) == 3


LAYERED = Architecture(
    4, 64, 8, 512, 128, n_kv_heads=4,
    layer_sizes=[
        {"n_heads": 8, "n_kv_heads": 4, "d_ff": 176}, {"n_heads": 2, "n_kv_heads": 1, "d_ff": 88},
        {"n_heads": 0, "n_kv_heads": 0, "d_ff": 176}, {"n_heads": 8, "n_kv_heads": 4, "d_ff": 0},
    ],
)  # fmt: skip


def test_layers_that_differ_are_drawn_and_said_each_as_it_is() -> None:
    boxes = layout(LAYERED)
    frames = [box for box in boxes if box.part == "layer"]  # the first layer is the lowest

    def within(frame: Box, part: str) -> list[Box]:
        return [box for box in boxes if box.part == part and frame.y < box.y < frame.y + 22]

    assert [len(within(frame, "attention")) for frame in frames] == [8, 2, 0, 8]
    widths = [sum(box.width for box in within(frame, "ff")) for frame in frames]
    assert widths == pytest.approx([widths[0], widths[0] / 2, widths[0], 0])
    said = draw_architecture(LAYERED)
    assert "0–8 heads over 0–4 key/value heads, swiglu feed-forward of 0–176" in said
    candidate = Candidate(LAYERED)
    card = summary(PricedCandidate(candidate, estimate(candidate)), None, ())
    assert "8, 2, 0, 8" in card
    assert "176, 88, 176, 0" in card
    alike = Candidate(LAYERED.with_(layer_sizes=()))
    assert "8, 8" not in summary(PricedCandidate(alike, estimate(alike)), None, ())


def test_a_size_in_which_layers_differ_is_not_changed_on_the_card() -> None:
    space = SearchSpace.laptop()
    for name in ("n_layers", "n_heads", "ff_ratio"):
        with pytest.raises(InputError, match="the layers differ here: change each of them in code"):
            edited(LAYERED, space, name, 2)
    wider, _ = edited(LAYERED, space, "d_model", 128)
    assert wider.layer_sizes == LAYERED.layer_sizes


def test_the_drawing_of_a_huge_model_stays_small_and_says_how_deep_it_is() -> None:
    huge = Architecture(131, 16_384, 128, 128_256, 131_072, n_kv_heads=8)
    drawn = draw_architecture(huge)
    assert sum(box.part == "layer" for box in layout(huge)) == MOST_LAYERS
    assert "131 layers" in drawn
    assert "128 heads over 8 key/value heads" in drawn
    ElementTree.fromstring(drawn)


@pytest.mark.parametrize("n_layers", [1, 2, 5, 24, 97])
def test_nothing_is_drawn_outside_the_drawing(n_layers: int) -> None:
    for box in layout(architecture(n_layers=n_layers)):
        assert box.x >= 0
        assert box.x + box.width <= 104
        assert box.y >= 0
        assert box.y + box.height <= 152


def test_an_untied_head_is_drawn_in_its_own_colour() -> None:
    untied = Architecture(2, 96, 3, 256, 64, tied_embeddings=False)
    assert [box.part for box in layout(untied)].count("head") == 1
    assert "head" not in [box.part for box in layout(architecture())]


# ---- the map


def test_a_trials_dot_says_after_how_many_tokens_whatever_the_cloud_stands_for() -> None:
    places = {"parameters_total": 1e5, "bits_per_byte": 3.0}
    done = trial_mark(trial(), places)
    assert done.note == "measured after 99.8\xa0k tokens"
    assert done.values["bits_per_byte"] == 2.345
    waiting = trial_mark(trial(state="waiting", plan={"tokens": 200_000}), places)
    assert waiting.note == "waiting; predicted for 200\xa0k tokens, not measured"
    assert waiting.values["bits_per_byte"] == 3.0


# ---- the card


def test_the_bars_add_up_to_the_whole() -> None:
    cost = estimate(architecture(), Workload(), LAPTOP)
    by_title = {bar.title: bar for bar in breakdowns(cost)}
    assert sum(by_title["weights"].parts.values()) == cost.parameters.total
    assert sum(by_title["memory"].parts.values()) == pytest.approx(cost.memory.total_bytes)
    assert sum(by_title["operations / token"].parts.values()) == cost.flops.decode_per_token


def test_a_measured_quality_says_which_trial_and_an_expected_one_says_prior() -> None:
    expected = Quality(2.5, 2.0, 3.1, "prior", note="published laws")
    alone = quality_rows(expected, [])
    assert [row[0] for row in alone] == ["bits per byte"]
    assert "prior" in alone[0][1]
    assert "(2.00 – 3.10)" in alone[0][1]
    both = quality_rows(expected, [trial()])
    assert [row[0] for row in both] == ["bits per byte", "accuracy", "expected"]
    assert "2.345" in both[0][1]
    assert "trial 3" in both[0][1]


def test_a_model_with_experts_says_how_many_weights_a_token_uses_and_what_an_expert_gets() -> None:
    assert [row[0] for row in weight_rows(estimate(architecture()))] == ["weights"]
    routed = estimate(architecture().with_(experts=4, experts_per_token=2))
    rows = weight_rows(routed)
    assert [row[0] for row in rows] == ["weights", "active weights"]
    assert rows[1][1] == bold(quantity(float(routed.parameters.active)))
    result = {**trial().result, "expert_load": {"layers": [[0.75, 0.25, 1.0, 0.0]]}}
    said = dict(row[:2] for row in quality_rows(None, [trial(result=result)]))
    assert said["an expert gets"] == "0.0% to 100.0% of a layer&#x27;s tokens; 1 of 4 never used"


def test_a_failed_trial_is_on_its_candidates_card_with_its_reason() -> None:
    rows = quality_rows(None, [trial(state="failed", reason="out of memory")])
    assert rows[-1][0] == "trial 3"
    assert rows[-1][2] == "out of memory"


def test_no_phase_is_drawn_above_the_roof() -> None:
    cost = estimate(architecture(), Workload(), LAPTOP)
    roof = Roof.of(LAPTOP, "fp32")
    for work in phases(cost, Workload()):
        assert work.flops_per_s <= roof.flops_per_s * 1.001
    ElementTree.fromstring(draw_roofline(cost, Workload(), LAPTOP))


@pytest.mark.parametrize(
    "made",
    [
        architecture(),
        Architecture(5, 90, 7, 257, 33, head_dim=22, n_kv_heads=7, d_ff=111, mlp="relu2"),
        Architecture(2, 64, 8, 512, 128, n_kv_heads=2, position="learned", biases="all"),
        LAYERED,
    ],
)
def test_copied_code_makes_the_same_architecture(made: Architecture) -> None:
    import nasviz

    assert eval(architecture_code(made), {"nasviz": nasviz}) == made


def test_copied_explorer_names_space_ranges_limits_and_selection(state: ExplorerState) -> None:
    state.ranges = {"n_layers": [2, 3]}
    state.limits = {"parameters_total": 1e6}
    state.workload = Workload(batch=8)
    state.select(Candidate(architecture()))
    code = explorer_code(state)
    compile(code, "cell", "exec")
    assert "nasviz.SearchSpace.laptop()" in code
    assert "explorer.ranges = {'n_layers': [2, 3]}" in code
    assert "explorer.limits = {'parameters_total': 1000000.0}" in code
    assert "nasviz.Workload(batch=8)" in code


# ---- space and limits


def test_a_rows_label_help_and_reference_are_the_catalogues() -> None:
    knob = range_knob(Integer("n_layers", 2, 5))
    assert knob.values == (2, 3, 4, 5)
    assert knob.help == FIELDS["n_layers"].help
    assert knob.reference == FIELDS["n_layers"].reference


def test_choices_are_chips_and_numbers_a_slider() -> None:
    assert range_knob(Choice("mlp", ("gelu", "swiglu"))).kind == "choices"
    vocabulary = range_knob(Choice("vocab_size", (4096, 256, 1024)))
    assert vocabulary.kind == "range"
    assert vocabulary.values == (256, 1024, 4096)
    rate = range_knob(Real("learning_rate", 1e-4, 1e-2, log=True))
    assert (rate.values[0], rate.values[-1]) == (1e-4, 1e-2)


def test_a_slider_in_the_browser_narrows_the_state_and_python_moves_the_slider(
    state: ExplorerState,
) -> None:
    panel = SpacePanel(state)
    panel.knobs.values = {**panel.knobs.values, "n_layers": [2, 4]}
    assert state.ranges["n_layers"] == [2, 4]
    state.ranges = {"n_layers": [3, 3]}
    assert panel.knobs.values["n_layers"] == [3, 3]


def test_sizes_that_an_option_brings_get_their_sliders_and_go_with_it(state: ExplorerState) -> None:
    panel, before = SpacePanel(state), state.space
    space = with_mode(before, MixtureOfExperts, "on")
    state.search_in(space, starting_ranges(space, state.ranges))
    names = [row["name"] for row in panel.knobs.knobs]
    assert names[-2:] == ["experts", "experts_per_token"]
    assert panel.knobs.values["experts"] == [4, 8]
    state.search_in(before, starting_ranges(before, state.ranges))
    assert [row["name"] for row in panel.knobs.knobs] == names[:-2]
    assert "experts" not in panel.knobs.values


def test_the_note_says_how_many_are_left_and_why_others_are_not() -> None:
    note = count_note(SpaceCount(100, 70, True, {"n_heads does not divide d_model": 30}))
    assert "70" in note
    assert "heads don&#x27;t divide embedding (30)" in note
    long = count_note(SpaceCount(9, 8, True, {"kv_window can't be combined with x: as": 1}))
    assert "cache window can&#x27;t be combined with x (1)" in long
    assert "about" in count_note(SpaceCount(100, 70, False, {}, 3.0))


def test_reasons_read_as_words() -> None:
    assert worded("parameters_total above 12,000,000", {"parameters_total": "Parameters"}) == (
        "parameters above 12,000,000"
    )
    assert all(len(short_label(field)) <= 21 for field in FIELDS.values())


def test_steps_of_a_limit_are_round_and_span_the_costs() -> None:
    steps = nice_steps(57_664, 9_050_368)
    assert steps[0] > 57_664
    assert steps[-1] >= 9_050_368
    assert steps == sorted(set(steps))
    assert all(len(f"{step:.15g}".rstrip("0")) <= 3 for step in steps)
    assert nice_steps(0.0, 3.0) == []


def test_a_limit_slider_writes_and_its_right_end_lifts(state: ExplorerState) -> None:
    panel = LimitsPanel(state)
    panel.knobs.values = {**panel.knobs.values, "parameters_total": 2e6}
    assert state.limits == {"parameters_total": 2e6}
    panel.knobs.values = {**panel.knobs.values, "parameters_total": None}
    assert state.limits == {}
    assert set(LIMITED) <= set(panel.knobs.values)


def test_a_target_that_is_no_number_is_said_under_its_row(state: ExplorerState) -> None:
    panel = LimitsPanel(state)
    panel.knobs.values = {**panel.knobs.values, "target": "much"}
    assert "much" in panel.knobs.errors["target"]
    assert state.target is None


# ---- header


def made_header(state: ExplorerState, calibrate: Callable[[], None] = lambda: None) -> Header:
    return Header(state, calibrate, switch=lambda _url, _name: None, export=ipywidgets.HTML())


def test_a_wrong_workload_is_said_under_its_row_and_changes_nothing(state: ExplorerState) -> None:
    header = made_header(state)
    header.workload.values = {**header.workload.values, "batch": -2}
    assert "batch=-2" in header.workload.errors["batch"]
    assert state.workload == Workload()
    header.workload.values = {**header.workload.values, "batch": 4}
    assert state.workload.batch == 4
    assert header.workload.errors == {}


def test_choosing_to_measure_calls_calibrate_and_keeps_the_device(state: ExplorerState) -> None:
    asked: list[bool] = []
    header = made_header(state, calibrate=lambda: asked.append(True))
    header.hardware.values = {"hardware": "calibrate"}
    assert asked == [True]
    assert header.hardware.values == {"hardware": "laptop-cpu"}
    header.hardware.values = {"hardware": "h100-sxm"}
    assert state.hardware.name == "h100-sxm"
    assert "h100-sxm" in hardware_knob(state.hardware).values


def test_the_header_counts_trained_and_failed() -> None:
    study = StudySnapshot(
        name="s", trials=(trial(0), trial(1, "failed"), trial(2, "running")), worker="busy"
    )
    pills = study_pills(study)
    assert "1 trained" in pills
    assert "1 failed" in pills
    assert "1 running" in pills


# ---- training, search, trials


def test_rows_of_a_plan_make_the_same_plan_again() -> None:
    plan = TrainingPlan(steps=70, optimizer="adamw", zero_stage=2, batch_size=13, seed=5)
    assert plan_of(plan_values(plan, "python")) == plan
    assert {knob.name for knob in plan_knobs()} == set(plan_values(plan, "python"))
    assert all(knob.help for knob in plan_knobs())


def test_a_plan_that_does_not_fit_names_its_row() -> None:
    values = {**plan_values(TrainingPlan(), "python"), "zero_stage": 3}
    with pytest.raises(InputError, match="zero_stage=3"):
        plan_of(values)


def test_the_configuration_shown_is_the_one_that_deepspeed_gets() -> None:
    plan = TrainingPlan(steps=10, zero_stage=2)
    shown = configuration(plan, Candidate(architecture()), CorpusFacts())
    assert "&quot;stage&quot;: 2" in shown


def test_the_configuration_of_a_budget_in_bytes_knows_how_long_the_texts_tokens_are() -> None:
    sizes = architecture()
    plan = TrainingPlan(bytes=40_000_000)
    for per_token in (1.0, 3.7):
        facts = CorpusFacts("python", 10**7, {sizes.vocab_size: per_token})
        recipe = recipe_for(sizes, plan, bytes_per_token=per_token)
        shown = configuration(plan, Candidate(sizes), facts)
        assert f"&quot;train_batch_size&quot;: {recipe.batch_size}," in shown
    alone, shorter = (recipe_for(sizes, plan, bytes_per_token=each) for each in (1.0, 3.7))
    assert alone.batch_size > shorter.batch_size


def test_a_text_that_can_not_be_read_is_said_under_its_row(state: ExplorerState) -> None:
    tab = TrainingTab(state, lambda: None, lambda _number, _request: None, lambda *_given: None)
    state.corpus_problem = "corpus 'pyhton': unknown"
    assert tab.knobs.errors == {"corpus": "corpus 'pyhton': unknown"}
    state.corpus_problem = ""
    assert tab.knobs.errors == {}


def test_a_search_wants_whole_positive_numbers() -> None:
    values = {"strategy": "tpe", "against": "parameters_total", "tokens": 100, "seed": 0}
    assert checked_settings({**values, "trials": 3.0})["trials"] == 3
    for wrong in (0, 2.5, None, "x"):
        with pytest.raises(InputError, match="trials="):
            checked_settings({**values, "trials": wrong})


def test_a_failed_trial_has_its_reason_in_the_table_and_no_figures() -> None:
    cells = trial_cells(trial(state="failed", reason="NaN at step 7"))
    assert cells["reason"].text == "NaN at step 7"
    assert cells["bits_per_byte"].text == "–"
    assert cells["bits_per_byte"].key is None
    assert trial_cells(trial())["bits_per_byte"].key == 2.345


def test_a_comparison_shows_only_what_differs() -> None:
    other = trial(4, candidate=Candidate(architecture(n_layers=5)))
    labels = [label for label, _ in differences([trial(), other])]
    assert "layers" in labels
    assert "embedding size" not in labels
    assert differences([trial(), trial()]) == []
    plans = [{"flops": 101_418_270_720.0, "distillation": 1.0}, {"tokens": 20_000, "offload": True}]
    planned = dict(differences([trial(plan=plan) for plan in plans]))
    assert planned["planned flops"] == ["101\N{NO-BREAK SPACE}GFLOP", "–"]
    assert planned["planned tokens"] == ["–", "20\N{NO-BREAK SPACE}k"]
    assert planned["distillation"] == ["1", "–"]
    assert planned["offload"] == ["–", "True"]
    assert "tokens" not in planned, "what was trained is equal"


def test_the_picked_trials_reason_stands_in_full_below_the_table() -> None:
    reason = "x" * 400 + HOSTILE
    state = ExplorerState(SearchSpace.laptop())
    tab = TrialsTab(state, lambda _number, _request: None)
    state.study = StudySnapshot("s", "u", (trial(state="failed", reason=reason),))
    assert tab.reason.value == ""
    tab.table.picked = trial().number
    assert "failed: " + "x" * 400 + "&lt;" in tab.reason.value
    assert HOSTILE not in tab.reason.value
