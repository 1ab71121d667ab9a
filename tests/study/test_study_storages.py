"""The contract of a study, over all storages."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pytest

from nasviz import Architecture, Candidate, InferencePolicy, Study, TrainingPlan
from nasviz.errors import InputError
from nasviz.study import queue
from nasviz.study.workers import Worker

Opened = Callable[[], Study]


def test_an_added_trial_is_read_back_by_another_study_object(
    opened: Opened, candidate: Candidate
) -> None:
    plan = TrainingPlan(steps=7, seed=3)
    added = opened().add(candidate, plan, "python", origin="user")
    read = opened().trial(added.number)
    assert read == added
    assert (read.number, read.state, read.origin) == (0, "waiting", "user")
    assert read.candidate == candidate
    assert TrainingPlan.from_json(dict(read.plan)) == plan


def test_trials_are_numbered_in_order(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    study.add(candidate)
    numbers = [trial.number for trial in study.add_many([(candidate, None)] * 3)]
    assert numbers == [1, 2, 3]
    assert [trial.number for trial in study.trials()] == [0, 1, 2, 3]
    assert len(study) == 4


def test_the_optuna_study_has_our_candidates_and_named_objectives(
    opened: Opened, candidate: Candidate
) -> None:
    study = opened()
    study.add(candidate)
    theirs = optuna.load_study(study_name=study.name, storage=study.url)
    assert theirs.metric_names == ["bits_per_byte", "time_per_output_token_s"]
    assert {each.name for each in theirs.directions} == {"MINIMIZE"}
    (trial,) = theirs.trials
    assert Candidate.from_json(trial.user_attrs["candidate"]) == candidate
    assert trial.state.name == "WAITING"


def test_a_trial_is_claimed_once(opened: Opened, candidate: Candidate) -> None:
    studies = [opened() for _ in range(4)]
    studies[0].add_many([(candidate, None)] * 5)
    claimed: list[int] = []

    def take(study: Study) -> None:
        while (trial := queue.claim(study, worker=1)) is not None:
            claimed.append(trial.number)

    threads = [threading.Thread(target=take, args=(study,)) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [0, 1, 2, 3, 4]


def test_a_complete_trial_has_its_result_and_optuna_the_search_parts_values(
    opened: Opened, candidate: Candidate
) -> None:
    study = opened()
    number = study.add(candidate).number
    queue.claim(study, worker=1)
    result = {
        "bits_per_byte": 2.5,
        "search_bits_per_byte": 2.25,
        "time_per_output_token_s": 0.001,
        "accuracy": 0.5,
    }
    queue.complete(study, number, result)
    trial = opened().trial(number)
    assert trial.state == "complete"
    assert dict(trial.result) == result
    assert trial.started is not None
    assert trial.ended is not None
    assert trial.created is not None
    assert trial.created <= trial.started <= trial.ended
    (theirs,) = optuna.load_study(study_name=study.name, storage=study.url).trials
    assert theirs.values == [2.25, 0.001]
    assert theirs.user_attrs["test_bits_per_byte"] == 2.5


def test_a_failed_trial_keeps_its_reason_in_both_records(
    opened: Opened, candidate: Candidate
) -> None:
    study = opened()
    number = study.add(candidate).number
    queue.claim(study, worker=1)
    queue.fail(study, number, "out of memory: <b>& more</b>")
    assert study.trial(number).state == "failed"
    assert study.trial(number).reason == "out of memory: <b>& more</b>"
    (theirs,) = optuna.load_study(study_name=study.name, storage=study.url).trials
    assert theirs.state.name == "FAIL"
    assert theirs.user_attrs["reason"] == "out of memory: <b>& more</b>"


def test_an_end_is_final(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    number = study.add(candidate).number
    queue.claim(study, worker=1)
    queue.fail(study, number, "first")
    queue.fail(study, number, "second")
    queue.complete(study, number, {"bits_per_byte": 1.0})
    assert (study.trial(number).state, study.trial(number).reason) == ("failed", "first")


def test_optuna_is_told_later_what_a_killed_process_could_not_tell_it(
    opened: Opened, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = opened()
    study.add_many([(candidate, None)] * 3)
    monkeypatch.setattr(study.mirror, "failed", lambda *_: None)
    study.request(0, "cancel")
    queue.claim(study, worker=1)
    queue.fail(study, 1, "killed")
    again = opened()
    assert queue.mend_mirror(again) == [0, 1]
    assert queue.mend_mirror(again) == []
    theirs = optuna.load_study(study_name=study.name, storage=study.url).trials
    assert [trial.state.name for trial in theirs] == ["FAIL", "FAIL", "WAITING"]
    assert theirs[1].user_attrs["reason"] == "killed"


def test_waiting_trials_obey_requests_at_once(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    number = study.add(candidate).number
    assert study.request(number, "pause").state == "paused"
    assert queue.claim(study, worker=1) is None
    assert study.request(number, "resume").state == "waiting"
    assert study.request(number, "cancel").state == "cancelled"
    with pytest.raises(InputError, match="trial 0 is cancelled: there is nothing to resume"):
        study.request(number, "resume")


def test_a_running_trial_hears_of_requests(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    number = study.add(candidate).number
    queue.claim(study, worker=1)
    assert study.request(number, "pause").state == "running"
    assert queue.pending_request(study, number) == "pause"
    study.request(number, "resume")
    assert queue.pending_request(study, number) == ""


def test_a_curve_comes_back_in_order_with_nan_for_what_was_not_said(
    opened: Opened, candidate: Candidate
) -> None:
    study = opened()
    number = study.add(candidate).number
    study.report(number, [{"step": 2, "loss": 1.5}, {"step": 1, "loss": 2.5, "bits_per_byte": 3.0}])
    study.report(number, [{"step": 3, "loss": 1.25}])
    curve = study.curve(number)
    assert curve["step"].tolist() == [1, 2, 3]
    assert curve["loss"].tolist() == [2.5, 1.5, 1.25]
    assert np.isnan(curve["bits_per_byte"]).tolist() == [False, True, True]
    assert study.curve(number, after_step=2)["step"].tolist() == [3]


def test_steps_repeated_after_a_resume_replace_the_earlier_ones(
    opened: Opened, candidate: Candidate
) -> None:
    study = opened()
    number = study.add(candidate).number
    study.report(number, [{"step": step, "loss": 9.0} for step in range(1, 8)])
    study.report(number, [{"step": 4, "loss": 1.0}])
    assert study.curve(number)["step"].tolist() == [1, 2, 3, 4]
    assert study.curve(number)["loss"].tolist() == [9.0, 9.0, 9.0, 1.0]


def test_columns_agree_with_the_trials(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    wide = Candidate(
        Architecture(2, 34, 17, 263, 19, position="learned", mlp="gelu"), InferencePolicy()
    )
    study.add(candidate, TrainingPlan(steps=5, batch_size=7))
    study.add(wide)
    queue.claim(study, worker=1)
    queue.complete(study, 0, {"bits_per_byte": 2.5, "time_per_output_token_s": 0.25})
    columns = study.columns()
    assert columns["number"].tolist() == [0, 1]
    assert columns["state"].tolist() == ["complete", "waiting"]
    assert columns["d_model"].tolist() == [22, 34]
    assert columns["bits_per_byte"][0] == 2.5
    assert np.isnan(columns["bits_per_byte"][1])
    assert columns["batch_size"][0] == 7
    assert {len(column) for column in columns.values()} == {2}


def test_the_revision_changes_with_every_change(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    seen = [study.revision()]
    number = study.add(candidate).number
    seen.append(study.revision())
    time.sleep(0.001)
    study.request(number, "pause")
    seen.append(study.revision())
    assert len(set(seen)) == 3


def test_threads_may_share_a_study(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            number = study.add(candidate).number
            study.report(number, [{"step": 1, "loss": 1.0}])
            study.columns()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [trial.number for trial in study.trials()] == list(range(6))


def test_a_study_deleted_in_optuna_starts_anew(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    study.add_many([(candidate, None)] * 3)
    study.report(1, [{"step": 1, "loss": 1.0}])
    optuna.delete_study(study_name=study.name, storage=study.url)
    again = opened()
    assert again.trials() == []
    assert again.add(candidate).number == 0
    assert again.curve(0)["step"].tolist() == []


def test_an_unknown_trial_is_an_input_error(opened: Opened) -> None:
    study = opened()
    for use in (study.trial, study.directory, study.curve, partial(study.request, request="pause")):
        with pytest.raises(InputError, match="trial=7: no such trial in study '"):
            use(7)


@pytest.mark.parametrize("wrong", ["0", 0.0, True, None])
def test_what_is_no_trials_number_is_refused_even_if_it_looks_like_one(
    opened: Opened, candidate: Candidate, wrong: object
) -> None:
    study = opened()
    study.add(candidate)
    for use in (study.trial, study.directory, study.curve, partial(study.request, request="pause")):
        with pytest.raises(InputError, match=f"trial={wrong!r} is not a trial's number"):
            use(wrong)  # type: ignore[operator]
    assert study.trial(np.int64(0)).state == "waiting"


ADD_MANY = """
import sys
from nasviz import Architecture, Candidate, Study
study = Study.open(sys.argv[1], name=sys.argv[2])
for _ in range(12):
    study.add(Candidate(Architecture(2, 22, 11, 257, 13)))
"""


@pytest.mark.slow
def test_two_processes_may_make_and_fill_one_study(opened: Opened, candidate: Candidate) -> None:
    study = opened()
    writers = [
        subprocess.Popen([sys.executable, "-c", ADD_MANY, study.url, study.name]) for _ in range(2)
    ]
    for _ in range(12):
        study.add(candidate)
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert [trial.number for trial in study.trials()] == list(range(36))


@pytest.mark.parametrize("deaths", [0, 1])
def test_a_dead_workers_trial_that_another_has_taken_is_left_alone(
    opened: Opened, candidate: Candidate, deaths: int
) -> None:
    study = opened()
    number = study.add(candidate).number
    queue.claim(study, worker=1)
    seen_before = replace(study.trial(number), deaths=deaths)
    queue.wait_again(study, number, ("running",))
    queue.claim(study, worker=2)
    dead = Worker(1, "elsewhere", 4321, "dead", 0.0, 0.0, Path("worker.log"))
    queue._settle(study, seen_before, dead)
    assert (study.trial(number).state, study.trial(number).worker) == ("running", 2)
