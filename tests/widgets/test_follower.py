"""The thread that follows a study: what it reads, and what it doesn't read twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.search_space import SearchSpace
from nasviz.study import queue, workers
from nasviz.study.study import LOOK_FOR_DEAD_S, Study
from nasviz.study.workers import Worker
from nasviz.widgets.follower import Follower, worker_state
from nasviz.widgets.state import ExplorerState

SIZES = Candidate(Architecture(2, 96, 3, 256, 64))


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    opened = Study.open(str(tmp_path / "study.db"))
    yield opened
    opened.close()


@pytest.fixture
def follower(study: Study) -> Follower:
    return Follower(ExplorerState(SearchSpace.laptop()), study)


def rows(first: int, last: int) -> list[dict[str, float | None]]:
    return [
        {
            "step": step, "n_steps": 50, "tokens": 100 * step, "loss": 5.0 / step,
            "bits_per_byte": None, "tokens_per_s": 700.0, "eta_s": 3.0, "memory_bytes": 1e8,
            "seconds": step / 10,
        }
        for step in range(first, last + 1)
    ]  # fmt: skip


def test_a_look_finds_trials_and_watches_the_latest(follower: Follower, study: Study) -> None:
    study.add(SIZES)
    study.add(SIZES)
    follower.look()
    assert [trial.number for trial in follower.state.study.trials] == [0, 1]
    assert follower.state.watched == 1


def test_a_running_trial_is_watched_before_a_later_waiting_one(
    follower: Follower, study: Study
) -> None:
    study.add(SIZES)
    queue.claim(study, worker=0)
    study.add(SIZES)
    follower.look()
    assert follower.state.watched == 0


def test_nothing_is_read_again_while_nothing_changes(follower: Follower, study: Study) -> None:
    study.add(SIZES)
    follower.look()
    first = follower.state.study
    follower.look()
    assert follower.state.study is first


def test_a_curve_grows_by_the_rows_that_are_new(follower: Follower, study: Study) -> None:
    number = study.add(SIZES).number
    queue.claim(study, worker=0)
    study.report(number, rows(1, 7))
    follower.look()
    assert follower.state.curve[1]["step"].tolist() == list(range(1, 8))
    study.report(number, rows(8, 11))
    follower.look()
    assert follower.state.curve[0] == number
    assert follower.state.curve[1]["step"].tolist() == list(range(1, 12))


def test_steps_that_a_second_attempt_repeats_are_not_shown_twice(
    follower: Follower, study: Study
) -> None:
    number = study.add(SIZES).number
    queue.claim(study, worker=0)
    study.report(number, rows(1, 9))
    follower.look()
    queue.wait_again(study, number, ("running",))
    queue.claim(study, worker=0)
    study.report(number, rows(5, 6))  # from the checkpoint after step 4
    follower.look()
    assert follower.state.curve[1]["step"].tolist() == [1, 2, 3, 4, 5, 6]


def worker(state: str, number: int = 1) -> Worker:
    return Worker(number, "here", 11, state, 0.0, 0.0, Path("log"))


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ([], "none"),
        (["ended"], "none"),
        (["dead"], "lost"),
        (["dead", "starting"], "starting"),
        (["ended", "idle"], "ready"),
        (["idle", "busy"], "busy"),
    ],
)
def test_the_headers_word_follows_from_the_workers(states: list[str], word: str) -> None:
    assert worker_state([worker(state) for state in states]) == word


def test_a_dead_workers_trial_is_seen_waiting_although_no_one_else_looks(
    follower: Follower, study: Study
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    number = study.database.write(
        lambda connection: workers.register(connection, study.id, ended.pid, study.home / "log")
    )
    study.add(SIZES)
    queue.claim(study, worker=number)
    follower.look()
    ended.communicate(b"\n")
    # The read just made looked for dead workers: the next ones skip it for a while.
    follower.look()
    assert follower.state.study.worker == "lost"
    assert [trial.state for trial in follower.state.study.trials] == ["running"]
    time.sleep(LOOK_FOR_DEAD_S)
    follower.look()
    assert [trial.state for trial in follower.state.study.trials] == ["waiting"]
    assert follower.state.study.unserved
