"""Stored studies: those of earlier releases, large ones, and what `optuna-dashboard` sees."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasviz import Architecture, Candidate, Study
from nasviz.study import queue

ASSETS = Path(__file__).parent.parent / "assets"


@pytest.mark.parametrize("release", sorted(each.name for each in ASSETS.glob("study-*")))
def test_a_study_of_an_earlier_release_opens_and_grows(release: str, tmp_path: Path) -> None:
    shutil.copy(ASSETS / release / "study.db", tmp_path / "study.db")
    expected = json.loads((ASSETS / release / "expected.json").read_text())
    study = Study.open(tmp_path / "study.db")
    assert [trial.to_json() for trial in study.trials()] == expected["trials"]
    assert study.curve(0)["loss"].tolist() == expected["loss_of_trial_0"]
    columns = study.columns()
    assert columns["state"].tolist() == [trial["state"] for trial in expected["trials"]]
    added = study.add(study.trial(0).candidate)
    assert added.number == len(expected["trials"])


def test_the_studies_of_earlier_releases_are_there() -> None:
    assert (ASSETS / "study-0.1" / "study.db").is_file()


def _filled(path: Path, count: int) -> Study:
    """A study of `count` complete trials; all but the first are copied by SQL, for speed."""
    study = Study.open(path)
    candidate = Candidate(Architecture(3, 22, 11, 257, 13))
    number = study.add(candidate, {"steps": 7}).number
    queue.claim(study, worker=1)
    queue.complete(study, number, {"bits_per_byte": 2.5, "time_per_output_token_s": 0.001})

    def copy(connection: Any) -> None:
        for table, own in (
            ("trials", "number, study_id, state, datetime_start, datetime_complete"),
            ("nasviz_trials", None),
        ):
            names = [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table})")]
            changed = {"trial_id": "1 + n", "number": "n"}
            kept = [name for name in names if own is None or name == "trial_id" or name in own]
            values = ", ".join(changed.get(name, f'"{name}"') for name in kept)
            quoted = ", ".join(f'"{name}"' for name in kept)
            connection.exec_driver_sql(
                "WITH RECURSIVE c(n) AS"
                f" (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count - 1})"
                f" INSERT INTO {table} ({quoted}) SELECT {values} FROM {table}, c"
                " WHERE trial_id = 1"
            )
        connection.exec_driver_sql(
            "INSERT INTO trial_user_attributes (trial_id, key, value_json)"
            " SELECT t.trial_id, 'candidate', a.value_json FROM nasviz_trials t,"
            " trial_user_attributes a WHERE a.trial_id = 1 AND a.key = 'candidate'"
            " AND t.trial_id > 1"
        )

    if count > 1:
        study.database.write(copy)
    return study


def test_the_columns_of_five_thousand_trials_take_a_fifth_of_a_second(tmp_path: Path) -> None:
    study = _filled(tmp_path / "study.db", 5_000)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        columns = study.columns()
        seconds.append(time.perf_counter() - began)
    assert columns["number"].tolist() == list(range(5_000))
    assert np.all(columns["bits_per_byte"] == 2.5)
    # The claim is 0.2 s on an idle machine; a busy one gets three times that.
    print(f"columns of 5,000 trials: {min(seconds):.3f} s")
    assert min(seconds) < 0.6


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.loads(answer.read())


@pytest.mark.slow
def test_optuna_dashboard_lists_our_trials(tmp_path: Path) -> None:
    study = _filled(tmp_path / "study.db", 1)
    study.add(Candidate(Architecture(2, 34, 17, 263, 19)))
    port = _free_port()
    command = ["from optuna_dashboard._cli import main; main()", study.url, "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-c", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                listed = _get(f"http://127.0.0.1:{port}/api/studies")
                break
            except OSError:
                assert time.monotonic() < deadline, "the dashboard did not come up"
                time.sleep(0.2)
        (summary,) = listed["study_summaries"]
        assert summary["study_name"] == "nasviz"
        detail = _get(f"http://127.0.0.1:{port}/api/studies/{summary['study_id']}?after=0")
    finally:
        server.terminate()
        server.wait(timeout=10)
    assert [trial["state"] for trial in detail["trials"]] == ["Complete", "Waiting"]
    assert detail["trials"][0]["values"] == [2.5, 0.001]
    assert detail["objective_names"] == ["bits_per_byte", "time_per_output_token_s"]
    shown = {each["key"]: each["value"] for each in detail["trials"][1]["user_attrs"]}
    assert json.loads(shown["candidate"])["architecture"]["d_model"] == 34
