"""The explorer as Python sees it: traits, code, what is refused; no browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import eventually

import nasviz
from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.study.study import Study
from nasviz.widgets.explorer import Explorer

SIZES = Architecture(n_layers=2, d_model=96, n_heads=3, vocab_size=256, context_length=64)


@pytest.fixture
def explorer(tmp_path: Path) -> Iterator[Explorer]:
    made = Explorer("laptop", study=str(tmp_path / "study.db"), hardware="laptop-cpu")
    yield made
    made.close()


def drawn_layers(explorer: Explorer) -> set[int]:
    """Return the depths among the candidates that were drawn from what the sliders leave."""
    return set(explorer.state.sample.table["n_layers"][-100:].tolist())


def test_a_sample_a_count_and_a_first_candidate_come_by_themselves(explorer: Explorer) -> None:
    eventually(lambda: explorer.selection is not None)
    eventually(lambda: explorer.state.count is not None)
    assert len(explorer.state.sample) == 20_000
    assert explorer.state.problem == ""


def test_selection_takes_candidates_and_architectures_and_nothing_else(explorer: Explorer) -> None:
    explorer.selection = SIZES
    assert explorer.selection == Candidate(SIZES)
    assert explorer.state.selection == Candidate(SIZES)
    with pytest.raises(InputError, match="selection='gpt2' is no Candidate"):
        explorer.selection = "gpt2"


def test_an_observer_hears_of_a_selection_made_on_the_page(explorer: Explorer) -> None:
    heard: list[Candidate] = []
    explorer.observe(lambda change: heard.append(change.new), names="selection")
    explorer.state.select(Candidate(SIZES))
    assert heard[-1] == Candidate(SIZES)


def test_ranges_read_back_whole_and_wrong_ones_are_refused(explorer: Explorer) -> None:
    explorer.ranges = {"n_layers": [2, 4]}
    assert explorer.ranges["n_layers"] == [2, 4]
    assert explorer.ranges["d_model"] == [64, 256]
    with pytest.raises(InputError, match="did you mean 'n_layers'"):
        explorer.ranges = {"n_layer": [2, 4]}
    assert explorer.ranges["n_layers"] == [2, 4]


def test_a_narrowed_range_refines_the_sample_and_the_count(explorer: Explorer) -> None:
    eventually(lambda: explorer.state.count is not None)
    whole = explorer.state.count.feasible
    explorer.ranges = {"n_layers": [3, 3]}
    eventually(lambda: drawn_layers(explorer) == {3}, "a sample of three layers")
    eventually(lambda: explorer.state.count.feasible < whole, "the new count")
    assert explorer.state.count.feasible == whole // 8


def test_a_slider_moved_while_a_sample_is_drawn_outlives_a_new_prediction(
    explorer: Explorer,
) -> None:
    eventually(lambda: explorer.state.count is not None)
    explorer.ranges = {"n_layers": [2, 2]}  # being drawn
    explorer.ranges = {"n_layers": [3, 3]}  # waits
    explorer.state.plan = explorer.state.plan.with_(tokens=40_000)  # predicts anew
    label = "predicted for 40\N{NO-BREAK SPACE}k tokens"
    eventually(lambda: explorer.state.sample.quality_label == label, "the prediction")
    eventually(lambda: drawn_layers(explorer) == {3}, "a sample of three layers")
    assert explorer.state.sample.quality_label == label


def test_limits_reach_the_map_and_the_count(explorer: Explorer) -> None:
    eventually(lambda: explorer.state.count is not None)
    explorer.limits = {"parameters_total": 300_000}
    eventually(lambda: any("parameters_total" in why for why in explorer.state.count.excluded))
    assert explorer._map_panel.map.limits == {"parameters_total": 300_000}


def test_a_trial_added_by_another_process_is_found(explorer: Explorer, tmp_path: Path) -> None:
    eventually(lambda: explorer.state.study.name == "nasviz")
    other = Study.open(str(tmp_path / "study.db"))
    added = other.add(Candidate(SIZES), {"tokens": 1_000})
    eventually(lambda: [each.number for each in explorer.trials] == [added.number])
    marks = explorer._map_panel.map.marks
    eventually(lambda: any(each["id"] == "trial-0" for each in explorer._map_panel.map.marks))
    assert not any(each["id"] == "trial-0" and each["kind"] == "trained" for each in marks)
    other.close()


def test_a_failed_trial_leaves_the_map_and_stays_in_the_table(
    explorer: Explorer, tmp_path: Path
) -> None:
    from nasviz.study import queue

    other = Study.open(str(tmp_path / "study.db"))
    number = other.add(Candidate(SIZES), {"tokens": 1_000}).number
    queue.fail(other, number, "NaN at step 7")
    eventually(lambda: [each.state for each in explorer.trials] == ["failed"])
    assert explorer.trials[0].reason == "NaN at step 7"
    eventually(lambda: "failed" in explorer.view.children[1].children[2].value)
    assert not any(each["id"] == "trial-0" for each in explorer._map_panel.map.marks)
    other.close()


def test_the_code_opens_the_same_explorer(explorer: Explorer) -> None:
    eventually(lambda: explorer.state.study.name == "nasviz")
    explorer.ranges = {"n_layers": [2, 3]}
    explorer.selection = SIZES
    space: dict[str, object] = {}
    exec(explorer.to_code(), space)
    again = space["explorer"]
    assert isinstance(again, Explorer)
    assert again.ranges == explorer.ranges
    assert again.selection == explorer.selection
    again.close()


def test_a_study_that_is_none_is_said_and_the_map_works_all_the_same(tmp_path: Path) -> None:
    wrong = tmp_path / "notes.db"
    wrong.write_text("these are my notes, not a database")
    explorer = Explorer("laptop", study=str(wrong), hardware="laptop-cpu")
    eventually(lambda: explorer.state.problem != "")
    assert explorer.state.sample is not None
    assert wrong.read_text() == "these are my notes, not a database"
    explorer.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": "labtop"}, "did you mean 'laptop'"),
        ({"space": 3}, "space=3 is no SearchSpace"),
        ({"hardware": "h100"}, "did you mean 'h100"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nasviz.Explorer(**arguments)  # type: ignore[arg-type]


def test_the_corpus_is_read_beside_the_kernel_and_a_wrong_one_is_said(explorer: Explorer) -> None:
    eventually(lambda: explorer.state.facts.train_bytes)
    assert explorer.state.facts.corpus == "python"
    length = explorer.state.facts.train_bytes
    eventually(lambda: explorer.state.prior.facts.train_bytes == length)
    explorer.state.corpus = "/nowhere/at/all.txt"
    eventually(lambda: "/nowhere/at/all.txt" in explorer.state.corpus_problem)
    eventually(lambda: explorer.state.prior.facts.train_bytes is None)
    explorer.state.corpus = "python"
    eventually(lambda: explorer.state.corpus_problem == "")
    eventually(lambda: explorer.state.prior.facts.train_bytes == length)


def test_closing_leaves_no_thread_and_no_widget(tmp_path: Path) -> None:
    import threading

    explorer = Explorer("laptop", study=str(tmp_path / "s.db"), hardware="laptop-cpu")
    eventually(lambda: explorer.state.study.name == "nasviz")
    explorer.close()
    eventually(lambda: not any(each.name.startswith("nasviz-") for each in threading.enumerate()))
    assert explorer.view.comm is None


def test_what_is_no_corpus_is_refused() -> None:
    with pytest.raises(InputError, match="corpus=5 is no corpus; give a name or a path"):
        Explorer("laptop", corpus=5)  # type: ignore[arg-type]
