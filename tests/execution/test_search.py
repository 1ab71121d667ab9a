"""Searches with real trials: the function, its thread form and the command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import optuna
import pytest
from waiting import eventually

from nasviz import SearchSpace, Study, TrainingPlan, Trial, search
from nasviz.cli import main
from nasviz.errors import InputError
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.strategies.search import prepare_search, result_of

NASVIZ = [sys.executable, "-m", "nasviz.cli"]
SPACE = SearchSpace(
    (
        Integer("n_layers", 1, 3),
        Integer("d_model", 8, 40, 8),
        Choice("n_heads", (1, 2, 3)),
        Choice("mlp", ("gelu", "swiglu")),
        Real("learning_rate", 1e-4, 1e-1, log=True),
    ),
    {"vocab_size": 256, "context_length": 13},
)
PLAN = TrainingPlan(steps=5, batch_size=3, precision="fp32")
LONG = TrainingPlan(steps=100_000, batch_size=3, precision="fp32")


@pytest.fixture
def space_file(tmp_path: Path) -> str:
    path = tmp_path / "space.json"
    path.write_text(json.dumps(SPACE.to_json()))
    return str(path)


@pytest.mark.slow
def test_a_search_grows_a_front_and_goes_on_where_it_was_left(study: Study, corpus: str) -> None:
    seen: list[Trial] = []
    result = search(
        SPACE, study=study, strategy="tpe", trials=3, plan=PLAN, corpus=corpus, on_trial=seen.append
    )
    assert result.ending == "trials"
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert [trial.number for trial in seen] == [0, 1, 2]
    assert {trial.state for trial in result.trials} == {"complete"}
    assert result.values.shape == (3, 2)
    assert result.values[:, 0].tolist() == [
        trial.result["search_bits_per_byte"] for trial in result.trials
    ]
    assert np.all(np.diff(result.hypervolume) >= 0)
    assert result.front
    assert {trial.number for trial in result.front} <= {0, 1, 2}
    for trial in result.trials:
        assert trial.origin.startswith("search:tpe:")
        assert trial.plan["learning_rate"] == trial.proposal["settings"]["learning_rate"]
        asked = trial.proposal["search"]
        assert (asked["strategy"], asked["seed"]) == ("tpe", 0)

    # Optuna's record has each trial's parameters, by the names of the dimensions.
    for theirs, ours in zip(
        optuna.load_study(study_name=study.name, storage=study.url).trials,
        result.trials,
        strict=True,
    ):
        architecture = ours.candidate.architecture
        assert theirs.params["d_model"] == architecture.d_model
        assert theirs.params["mlp"] == architecture.mlp
        assert theirs.state.name == "COMPLETE"

    # The same search again: the strategy knows what it asked, and nothing is trained twice.
    more = search(SPACE, study=study, strategy="tpe", trials=2, plan=PLAN, corpus=corpus)
    assert [trial.number for trial in more.trials] == [0, 1, 2, 3, 4]
    keys = {(trial.candidate.digest, trial.plan["learning_rate"]) for trial in more.trials}
    assert len(keys) == 5

    # Another seed is another search, whose history is its own.
    other = search(SPACE, study=study, strategy="tpe", trials=1, plan=PLAN, corpus=corpus, seed=1)
    assert [trial.number for trial in other.trials] == [5]

    # A space of one candidate is soon exhausted.
    single = SPACE.fixed("n_layers", 1).fixed("d_model", 8).fixed("n_heads", 1)
    single = single.fixed("mlp", "gelu").narrowed("learning_rate", 0.01, 0.01)
    last = search(single, study=study, strategy="random", trials=4, plan=PLAN, corpus=corpus)
    assert last.ending == "exhausted"
    assert len(last.trials) == 1


@pytest.mark.slow
def test_a_stopped_search_pauses_its_trial_and_finishes_it_first_when_it_goes_on(
    study: Study, corpus: str
) -> None:
    run = prepare_search(SPACE, study=study, seconds=600, plan=LONG, corpus=corpus).start()
    eventually(lambda: len(study) and len(study.curve(0)["step"]), "the first step")
    assert run.running
    run.stop()
    assert run.wait(30)
    assert (run.ending, run.error) == ("stopped", None)
    eventually(lambda: study.trial(0).state == "paused", "the pause")
    assert result_of(run).trials == ()

    again = prepare_search(SPACE, study=study, trials=1, plan=LONG, corpus=corpus).start()
    eventually(lambda: study.trial(0).state == "running", "the first trial to go on")
    study.request(0, "cancel")
    assert again.wait(60)
    assert [trial.state for trial in again.finished] == ["cancelled"]
    assert len(study) == 1


@pytest.mark.slow
def test_the_command_prints_trials_and_last_the_front(
    study: Study, space_file: str, corpus: str, tmp_path: Path
) -> None:
    command = [*NASVIZ, "search", space_file, "--corpus", corpus, "--study", study.url, "--json"]
    random = [*command, "--strategy", "random", "--tokens", "200", "--seed", "3"]
    done = subprocess.run(
        [*random, "--trials", "2"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines[:-1]] == ["trial", "trial"]
    assert [line["trial"] for line in lines[:-1]] == [0, 1]
    last = lines[-1]
    assert last["objectives"] == ["bits_per_byte", "time_per_output_token_s"]
    assert (last["trials"], last["complete"], last["failed"]) == (2, 2, 0)
    assert {point["trial"] for point in last["front"]} <= {0, 1}
    assert last["hypervolume"] == last["hypervolume_history"][-1] > 0

    # Interrupted, it leaves its trial paused and the study whole.
    process = subprocess.Popen(
        [*command, "--tokens", "9000000", "--seconds", "600"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(
        lambda: len(study) == 3 and len(study.curve(2)["step"]), "the third trial's first step"
    )
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    eventually(lambda: study.trial(2).state == "paused", "the pause")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-space", "--trials", "1"], "unknown space or file 'no-such-space'"),
        (["lapptop", "--trials", "1"], "did you mean 'laptop'?"),
        (["laptop"], "one of the arguments --trials --seconds is required"),
        (["laptop", "--trials", "0"], "trials=0 is no budget"),
        (["laptop", "--seconds", "-1"], "seconds=-1.0 is no budget"),
        (["laptop", "--seconds", "nan"], "seconds=nan is no budget"),
        (["laptop", "--seconds", "inf"], "seconds=inf is no budget"),
        (["laptop", "--trials", "1", "--seconds", "1"], "not allowed with"),
        (["laptop", "--trials", "1", "--strategy", "nsga3"], "did you mean 'nsga2'?"),
        (["laptop", "--trials", "1", "--objectives", "bits"], "unknown objective 'bits'"),
        (["laptop", "--trials", "1", "--objectives", ""], "unknown objective ''"),
        (["laptop", "--trials", "1", "--objectives", "energy_j,energy_j"], "twice"),
        (["laptop", "--trials", "1", "--tokens", "0"], "tokens=0 is out of range"),
        (["laptop", "--trials", "1", "--seed", "-1"], "seed=-1"),
        (["laptop", "--trials", "1", "--corpus", "no-such"], "unknown corpus 'no-such'"),
        (["half.json", "--trials", "1"], "half.json"),
        (["empty.json", "--trials", "1"], "nothing in the space"),
    ],
)
def test_a_wrong_search_is_exit_code_2_and_nothing_is_written(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "half.json").write_text('{"dimensions": {"n_layers"')
    nothing = {
        "dimensions": {"n_heads": [5, 7]},
        "base": {"n_layers": 1, "d_model": 32, "vocab_size": 256, "context_length": 13},
    }
    (tmp_path / "empty.json").write_text(json.dumps(nothing))
    before = sorted(tmp_path.iterdir())
    assert main(["search", *arguments, "--study", "study.db"]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_a_search_needs_a_space() -> None:
    with pytest.raises(InputError, match="is no SearchSpace"):
        search("laptop", trials=1)  # type: ignore[arg-type]


def test_a_run_is_started_once(study: Study, corpus: str) -> None:
    run = prepare_search(SPACE, study=study, trials=1, plan=PLAN, corpus=corpus)
    run._thread = threading.Thread()
    with pytest.raises(InputError, match="was started before"):
        run.start()
