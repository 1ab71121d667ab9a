"""The explorer's state, without a view: ranges, limits, selection, samples, expectations."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from nasviz.corpus.corpus import open_corpus
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.lineage import Lineage
from nasviz.space.search_space import SearchSpace
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan
from nasviz.widgets.background import WaitingJobs
from nasviz.widgets.corpus_facts import CorpusFacts, read_facts
from nasviz.widgets.editing import edited
from nasviz.widgets.expectation import expectation
from nasviz.widgets.ranges import checked_ranges, full_ranges, narrowed_to
from nasviz.widgets.sample import draw_sample, first_pick, recosted, requalified
from nasviz.widgets.state import ExplorerState, StudySnapshot

LAPTOP = Hardware.named("laptop-cpu")
SPACE = SearchSpace(
    (
        Integer("n_layers", 1, 7),
        Integer("d_model", 48, 240, step=48),
        Choice("n_heads", (2, 3, 6)),
        Choice("mlp", ("gelu", "swiglu", "relu2")),
        Real("learning_rate", 1e-3, 1e-1, log=True),
    ),
    base={"vocab_size": 256, "context_length": 64},
    name="test",
)


def candidate(n_layers: int = 3, d_model: int = 96, n_heads: int = 3) -> Candidate:
    return Candidate(Architecture(n_layers, d_model, n_heads, 256, 64))


@pytest.fixture
def state() -> ExplorerState:
    return ExplorerState(SPACE, hardware=LAPTOP)


def complete_trial(number: int, bits: float) -> Trial:
    result = {"bits_per_byte": bits + 0.5, "search_bits_per_byte": bits, "tokens": 1_500_000}
    result = MappingProxyType({**result, "accuracy": 0.4})
    return Trial(number, candidate(), {}, "python", "complete", result=result)


# ---- ranges


def test_a_fresh_state_leaves_the_whole_space(state: ExplorerState) -> None:
    assert state.ranges == {
        "n_layers": [1, 7],
        "d_model": [48, 240],
        "n_heads": [2, 6],
        "mlp": ["gelu", "swiglu", "relu2"],
        "learning_rate": [1e-3, 1e-1],
    }
    assert state.narrowed_space() == SPACE
    assert not state.is_narrowed()


def test_ranges_that_are_left_out_stay_whole(state: ExplorerState) -> None:
    state.ranges = {"n_layers": [2, 3]}
    assert state.ranges["n_layers"] == [2, 3]
    assert state.ranges["d_model"] == [48, 240]
    assert state.is_narrowed()


def test_narrowed_space_holds_only_what_the_ranges_leave(state: ExplorerState) -> None:
    state.ranges = {"n_layers": [2, 5], "mlp": ["gelu"], "n_heads": [3, 6]}
    table = state.narrowed_space().sample(500)
    assert set(table["n_layers"].tolist()) == {2, 3, 4, 5}
    assert set(table.decoded("mlp")) == {"gelu"}
    assert set(table["n_heads"].tolist()) == {3, 6}


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"n_layer": [1, 2]}, "unknown dimension 'n_layer'; did you mean 'n_layers'"),
        ({"n_layers": [9, 12]}, "n_layers: nothing lies between 9 and 12"),
        ({"n_layers": 3}, r"n_layers=3 is no range; give \[low, high\]"),
        ({"n_layers": [1, 2, 3]}, r"n_layers=\[1, 2, 3\] is no range"),
        ({"mlp": ["swish"]}, "did you mean 'swiglu'"),
    ],
)
def test_wrong_ranges_are_refused_and_change_nothing(
    state: ExplorerState, ranges: dict[str, object], message: str
) -> None:
    before = state.ranges
    with pytest.raises(InputError, match=message):
        state.ranges = ranges
    assert state.ranges == before


def test_narrowing_to_the_full_ranges_is_the_space_itself() -> None:
    assert narrowed_to(SPACE, full_ranges(SPACE)) is SPACE
    assert checked_ranges(SPACE, {}) == full_ranges(SPACE)


# ---- limits and the target


def test_a_limit_reaches_the_space_and_none_lifts_it(state: ExplorerState) -> None:
    state.limits = {"parameters_total": 200_000, "memory_total_bytes": None}
    assert state.limits == {"parameters_total": 200_000}
    assert [limit.column for limit in state.narrowed_space().limits] == ["parameters_total"]


@pytest.mark.parametrize("maximum", [0, -3, "many", True])
def test_a_limit_that_is_no_positive_number_is_refused(
    state: ExplorerState, maximum: object
) -> None:
    with pytest.raises(InputError, match="limit on parameters_total"):
        state.limits = {"parameters_total": maximum}


def test_a_target_solves_for_the_embedding_size(state: ExplorerState) -> None:
    state.target = 500_000.0
    narrowed = state.narrowed_space()
    assert narrowed.target is not None
    assert narrowed.target.solve_for == ("d_model",)
    sample = draw_sample(
        SPACE, narrowed, (Workload(), LAPTOP), expectation(TrainingPlan(), ()), n=600
    )
    weights = sample.costs["parameters_total"][300:]
    assert np.all(np.abs(weights / 500_000 - 1) <= 0.1)


def test_widening_drops_ranges_limits_and_target(state: ExplorerState) -> None:
    state.ranges = {"n_layers": [2, 3]}
    state.limits = {"parameters_total": 1e6}
    state.target = 5e5
    state.widen()
    assert not state.is_narrowed()


# ---- the selection


def test_undo_goes_back_through_selections(state: ExplorerState) -> None:
    first, second, third = candidate(1), candidate(2), candidate(3)
    for each in (first, second, second, third):
        state.select(each)
    state.undo()
    assert state.selection == second
    state.undo()
    assert state.selection == first
    assert not state.can_undo
    state.undo()
    assert state.selection == first


def test_a_pin_is_set_and_taken_away(state: ExplorerState) -> None:
    state.toggle_pin(candidate(1))
    state.toggle_pin(candidate(2))
    assert state.pinned == (candidate(1), candidate(2))
    state.toggle_pin(candidate(1))
    assert state.pinned == (candidate(2),)


def test_a_snapshot_finds_the_trials_of_a_candidate_latest_first() -> None:
    study = StudySnapshot(trials=(complete_trial(0, 2.4), complete_trial(1, 2.3)))
    assert [trial.number for trial in study.of(candidate())] == [1, 0]
    assert study.of(candidate(5)) == ()
    assert study.count("complete") == 2
    assert study.trial(7) is None


# ---- editing sizes


def test_heads_follow_to_the_nearest_that_divides() -> None:
    space = SearchSpace.laptop()
    before = Architecture(2, 192, 6, 256, 64)
    after, followed = edited(before, space, "d_model", 176)
    assert after.d_model == 176
    assert after.n_heads == 4
    assert followed == ("n_heads",)


def test_a_size_that_fits_changes_nothing_else() -> None:
    before = candidate().architecture
    after, followed = edited(before, SPACE, "n_layers", 5)
    assert after == before.with_(n_layers=5)
    assert followed == ()


def test_a_feed_forward_ratio_is_kept_when_the_width_changes() -> None:
    space = SearchSpace.laptop()
    before = Architecture(2, 128, 4, 256, 64, d_ff=384)
    after, _ = edited(before, space, "d_model", 192)
    assert after.d_ff == 576


# ---- samples and what is expected


def test_half_of_a_sample_does_not_move_with_the_sliders() -> None:
    expected = expectation(TrainingPlan(), ())
    asked = (Workload(), LAPTOP)
    whole = draw_sample(SPACE, SPACE, asked, expected, n=1_000)
    narrow = draw_sample(SPACE, SPACE.narrowed("n_layers", 2, 2), asked, expected, n=1_000)
    assert np.array_equal(whole.table["d_model"][:500], narrow.table["d_model"][:500])
    assert set(narrow.table["n_layers"][500:].tolist()) == {2}


def test_a_space_without_candidates_shows_the_whole_one_instead() -> None:
    nothing = SPACE.limited("parameters_total", 1.0)
    expected = expectation(TrainingPlan(), ())
    sample = draw_sample(SPACE, nothing, (Workload(), LAPTOP), expected, n=100)
    assert len(sample) == 100


def test_another_device_changes_seconds_and_no_weights() -> None:
    expected = expectation(TrainingPlan(), ())
    sample = draw_sample(SPACE, SPACE, (Workload(), LAPTOP), expected, n=100)
    other = recosted(sample, Workload(), Hardware.named("h100-sxm"))
    assert np.array_equal(other.costs["parameters_total"], sample.costs["parameters_total"])
    assert not np.array_equal(
        other.costs["time_per_output_token_s"], sample.costs["time_per_output_token_s"]
    )


def test_the_prior_says_that_it_is_not_measured_until_trials_anchor_it() -> None:
    plan = TrainingPlan()
    before = expectation(plan, ())
    after = expectation(plan, [complete_trial(0, 2.75)])
    assert "not measured" in before.source
    assert "anchored on 1 trial" in after.source
    measured_at = after.of_candidate(candidate()).bits_per_byte
    assert abs(measured_at - 2.75) < abs(before.of_candidate(candidate()).bits_per_byte - 2.75)


def test_trials_of_another_text_do_not_anchor_the_prior() -> None:
    trials = [complete_trial(0, 2.75), complete_trial(1, 2.5)]
    other = replace(trials[1], corpus="/texts/other.txt")
    assert expectation(TrainingPlan(), [trials[0], other]).prior.n_trials == 1
    assert expectation(TrainingPlan(), [other], "/texts/other.txt").prior.n_trials == 1


def test_a_pruned_trial_does_not_anchor_the_prior() -> None:
    trial = complete_trial(0, 2.75)
    pruned = replace(trial, number=1, lineage=Lineage(parent_trial=0))
    assert expectation(TrainingPlan(), [trial, pruned]).prior.n_trials == 1


def test_a_plateau_does_not_anchor_the_prior() -> None:
    stuck = complete_trial(0, 3.3)
    result = MappingProxyType({**stuck.result, "plateau": True})
    assert expectation(TrainingPlan(), [replace(stuck, result=result)]).prior.n_trials == 0


def test_more_training_is_expected_to_give_fewer_bits() -> None:
    sample = draw_sample(
        SPACE, SPACE, (Workload(), LAPTOP), expectation(TrainingPlan(tokens=10**5), ()), n=50
    )
    longer = requalified(sample, expectation(TrainingPlan(tokens=10**7), ()))
    assert np.all(longer.bits_per_byte < sample.bits_per_byte)


def test_a_budget_in_bytes_is_as_many_tokens_as_the_text_makes_of_it() -> None:
    facts = CorpusFacts("python", 10**9, {256: 1.0, 1024: 2.5})
    small, large = (Candidate(Architecture(3, 96, 3, vocab, 64)) for vocab in (256, 1024))
    in_bytes = expectation(TrainingPlan(bytes=5_000_000), (), facts=facts)
    for each, tokens in ((small, 5_000_000), (large, 2_000_000)):
        in_tokens = expectation(TrainingPlan(tokens=tokens), (), facts=facts)
        assert in_bytes.of_candidate(each).bits_per_byte == pytest.approx(
            in_tokens.of_candidate(each).bits_per_byte, rel=1e-6
        )
    longer = CorpusFacts("python", 10**9, {1024: 4.0})
    other = expectation(TrainingPlan(bytes=5_000_000), (), facts=longer)
    assert other.of_candidate(large) != in_bytes.of_candidate(large)


def test_text_that_is_read_again_teaches_less_than_new_text() -> None:
    plan = TrainingPlan(tokens=20_000_000)
    short, long = (
        expectation(plan, (), facts=CorpusFacts("python", size)).of_candidate(candidate())
        for size in (100_000, 10**9)
    )
    assert short.bits_per_byte > long.bits_per_byte


def test_trials_tell_how_long_the_tokens_of_their_text_are() -> None:
    done = complete_trial(0, 2.4)
    told = replace(done, result=MappingProxyType({**done.result, "bytes": 3_000_000}))
    assert expectation(TrainingPlan(), [told]).facts.measured == {256: 2.0}
    other = replace(told, corpus="/texts/other.txt")
    assert expectation(TrainingPlan(), [other]).facts.measured == {}


def test_facts_are_those_of_the_corpus_that_is_trained_on(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("one two three four five six seven eight nine ten\n" * 900)
    facts = read_facts(str(text), [256, 300], CorpusFacts())
    assert facts.train_bytes == open_corpus(str(text)).part_bytes("train")
    assert facts.measured[256] == 1.0
    assert facts.measured[300] > 2
    assert read_facts(str(text), [300], facts) is facts
    assert read_facts("python", [], facts).measured == {}


def test_a_prediction_says_for_how_much_training_and_from_where() -> None:
    before = expectation(TrainingPlan(tokens=1_536_000), ())
    assert before.label == "predicted for 1.54\xa0M tokens"
    assert before.source == "prior from published scaling laws, not measured"
    after = expectation(TrainingPlan(seconds=90), [complete_trial(0, 2.75)])
    assert after.label == "predicted for 1.5\xa0min of training"
    assert after.source == "prior from published scaling laws, anchored on 1 trial"


@pytest.mark.parametrize("budget", [{"steps": 300}, {"bytes": 10**6}, {"seconds": 60}])
def test_every_budget_has_an_expectation(budget: dict[str, int]) -> None:
    found = expectation(TrainingPlan(**budget), ()).of_candidate(candidate())  # type: ignore[arg-type]
    assert 0.5 < found.bits_per_byte < 8


def test_the_first_pick_costs_no_more_than_half_of_all_do() -> None:
    sample = draw_sample(SPACE, SPACE, (Workload(), LAPTOP), expectation(TrainingPlan(), ()), n=300)
    picked = first_pick(sample)
    from nasviz.cost.estimate import estimate

    seconds = estimate(picked, Workload(), LAPTOP).latency.time_per_output_token_s
    assert float(seconds) <= float(np.median(sample.costs["time_per_output_token_s"])) * 1.0001


# ---- work beside the kernel's thread


def test_a_job_submitted_often_while_it_waits_runs_once_and_others_keep_their_turn() -> None:
    ran: list[str] = []
    gate = threading.Event()
    jobs = WaitingJobs("test", failed=lambda error: ran.append(str(error)))

    def first() -> None:
        ran.append("first")
        gate.wait(5)

    def draw() -> None:
        ran.append("draw")

    def price() -> None:
        ran.append("price")

    jobs.submit(first)
    while not ran:
        time.sleep(0.001)
    for job in (draw, draw, price, draw):
        jobs.submit(job)
    gate.set()
    assert jobs.wait(5)
    assert ran == ["first", "draw", "price"]
    jobs.close()


def test_a_job_that_fails_is_told_and_the_next_one_runs() -> None:
    told: list[str] = []
    jobs = WaitingJobs("test", failed=lambda error: told.append(str(error)))

    def fail() -> None:
        raise InputError("no such thing")

    jobs.submit(fail)
    assert jobs.wait(5)
    jobs.submit(lambda: told.append("went on"))
    assert jobs.wait(5)
    assert told == ["no such thing", "went on"]
    jobs.close()
