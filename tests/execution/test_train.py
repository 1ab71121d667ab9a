"""`nasviz.train` and `nasviz train`: what a caller gets, and what a wrong input leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from waiting import eventually

from nasviz import Architecture, Candidate, SearchSpace, Study, TrainingPlan, train
from nasviz.cli import main
from nasviz.corpus.corpus import Corpus, open_corpus
from nasviz.errors import InputError
from nasviz.execution.results import KEYS
from nasviz.strategies.search import prepare_search

NASVIZ = [sys.executable, "-m", "nasviz.cli"]


def _run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NASVIZ, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def candidate_file(tmp_path: Path, candidate: Candidate) -> str:
    path = tmp_path / "candidate.json"
    path.write_text(json.dumps(candidate.to_json()))
    return str(path)


@pytest.fixture
def folder(tmp_path: Path, candidate_file: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which holds `candidate.json` and nothing else."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_command_prints_json_lines_and_last_the_result(
    study: Study, candidate_file: str, corpus: str, tmp_path: Path
) -> None:
    arguments = ["train", candidate_file, "--corpus", corpus, "--steps", "20", "--batch", "3"]
    done = _run([*arguments, "--seed", "5", "--study", study.url, "--json"], tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["event"] for line in lines[:-1]} == {"progress"}
    assert [line["step"] for line in lines[:-1]][-1] == 20
    result = lines[-1]
    assert set(KEYS) <= set(result)
    assert (result["trial"], result["seed"], result["tokens"]) == (0, 5, 20 * 3 * 13)
    assert "loss" in done.stderr
    assert dict(study.trial(0).result).items() <= result.items()

    # The function, on the same study and its warm worker.
    rows: list[object] = []
    architecture = study.trial(0).candidate.architecture
    plan = TrainingPlan(steps=20, batch_size=3, seed=5)
    again = train(architecture, plan, corpus, study, rows.append)
    assert again.state == "complete"
    assert again.result["bits_per_byte"] == pytest.approx(result["bits_per_byte"], abs=1e-4)
    assert len(rows) >= 2

    # A failed trial is exit code 1, with the reason: its first activations would take 200 GB.
    huge = {**study.trial(0).candidate.to_json()["architecture"]}  # type: ignore[dict-item]
    huge.update(n_layers=1, d_model=4096, n_heads=2, n_kv_heads=2, head_dim=2048, d_ff=8)
    (tmp_path / "huge.json").write_text(json.dumps({"architecture": huge}))
    arguments[1] = "huge.json"
    failed = _run([*arguments, "--study", study.url, "--batch", "1000000", "--json"], tmp_path)
    assert failed.returncode == 1, failed.stderr
    last = json.loads(failed.stdout.splitlines()[-1])
    assert (last["trial"], last["state"]) == (2, "failed")
    assert last["reason"].startswith("out of memory")
    assert "nasviz: trial 2 failed: out of memory" in failed.stderr


@pytest.mark.slow
def test_an_interrupted_command_cancels_its_trial_and_a_killed_one_leaves_it_in_training(
    study: Study, candidate_file: str, corpus: str, tmp_path: Path
) -> None:
    command = [
        *NASVIZ,
        "train",
        candidate_file,
        "--corpus",
        corpus,
        "--study",
        study.url,
        "--batch",
        "2",
    ]

    def started(number: int, steps: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*command, "--steps", str(steps)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        eventually(
            lambda: len(study) > number and len(study.curve(number)["step"]), "the first step"
        )
        return process

    interrupted = started(0, 100_000)
    time.sleep(0.3)  # past the process's first look at the trial
    interrupted.send_signal(signal.SIGINT)
    _, said = interrupted.communicate(timeout=30)
    assert interrupted.returncode == 130
    assert "Traceback" not in said
    eventually(lambda: study.trial(0).finished, "the cancellation")
    assert study.trial(0).state == "cancelled"

    killed = started(1, 300)
    killed.kill()
    killed.communicate()
    at_the_kill = study.curve(1)["step"][-1]
    eventually(lambda: study.trial(1).finished, "the trial to finish alone")
    assert study.trial(1).state == "complete"
    assert study.curve(1)["step"][-1] == 300 > at_the_kill


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-preset"], "unknown preset or file 'no-such-preset'"),
        (["gpt22"], "did you mean 'gpt2'?"),
        (["no/such/file.json"], "no/such/file.json"),
        (["{candidate}", "--corpus", "no-such-corpus"], "unknown corpus 'no-such-corpus'"),
        (["{candidate}", "--corpus", "/no/such/text.txt"], "no such file or folder"),
        (["{candidate}", "--steps", "0"], "steps=0 is out of range"),
        (["{candidate}", "--tokens", "many"], "invalid int value: 'many'"),
        (["{candidate}", "--steps", "5", "--tokens", "5"], "not allowed with"),
        (["{candidate}", "--seconds", "nan"], "seconds=nan is not a number"),
        (["{candidate}", "--study", ""], "the study's address is empty"),
        (["{candidate}", "--study", "mysql://h/db"], "SQLite or PostgreSQL, not in 'mysql'"),
        (["{candidate}", "--study", "candidate.json"], "is not a study"),
        (["{candidate}", "--study", "no/folder/s.db"], "is not there; create it first"),
        (["half.json"], "half.json"),
        (["long.json"], "context_length=1000000 is more than the"),
        (["fewbytes.json"], "vocab_size"),
        (["{candidate}", "--batch", "-3"], "batch_size=-3 is out of range"),
        (["{candidate}", "--seed", "-1"], "seed=-1 is out of range"),
        (["{candidate}", "--wat"], "--wat"),
    ],
)
def test_a_wrong_input_is_exit_code_2_and_nothing_is_written(
    arguments: list[str],
    message: str,
    folder: Path,
    corpus: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    candidate_file = str(folder / "candidate.json")
    architecture = json.loads(Path(candidate_file).read_text())["architecture"]
    (folder / "half.json").write_text('{"architecture": {"n_layers": 2,')
    for name, changes in (
        ("long", {"context_length": 1_000_000}),
        ("fewbytes", {"vocab_size": 97}),
    ):
        changed = {"architecture": {**architecture, **changes}}
        (folder / f"{name}.json").write_text(json.dumps(changed))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    words = [each.format(candidate=candidate_file) for each in arguments]
    if "--corpus" not in words:
        words += ["--corpus", corpus]
    assert main(["train", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_train_wants_a_candidate() -> None:
    with pytest.raises(InputError, match="is no Candidate"):
        train({"n_layers": 3})  # type: ignore[arg-type]


def test_train_wants_a_plan() -> None:
    with pytest.raises(InputError, match="is no TrainingPlan"):
        train(Architecture(1, 16, 2, 256, 32), {"steps": 1})  # type: ignore[arg-type]


def test_a_corpus_shorter_than_the_context_is_refused_before_anything_is_stored(
    tmp_path: Path, corpus: str
) -> None:
    path = tmp_path / "study.db"
    with pytest.raises(InputError, match="use a longer text, or a context up to"):
        train(Architecture(2, 22, 11, 256, 1_000_003), None, corpus, path)
    assert not os.path.exists(path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in fp16")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "fp16"}, "precision='fp16' needs a GPU; use precision='auto'"),
        ({"devices": 4096}, "devices=4096 is more than the cores of this machine serve"),
    ],
)
def test_a_plan_that_this_machine_can_not_serve_is_refused_before_anything_is_stored(
    tmp_path: Path, corpus: str, candidate: Candidate, settings: dict[str, Any], message: str
) -> None:
    path = tmp_path / "study.db"
    plan = TrainingPlan(steps=1, batch_size=4096, **settings)
    with pytest.raises(InputError, match=message):
        train(candidate, plan, corpus, path)
    with pytest.raises(InputError, match=message):
        prepare_search(SearchSpace.laptop(), study=path, plan=plan, corpus=corpus, trials=1)
    assert list(tmp_path.iterdir()) == []


def test_a_text_is_opened_once_before_its_trial(
    monkeypatch: pytest.MonkeyPatch, candidate: Candidate, corpus: str, study: Study
) -> None:
    """Reading and hashing a large text takes seconds."""
    opened: list[object] = []

    def counted(name: str) -> Corpus:
        opened.append(name)
        return open_corpus(name)

    monkeypatch.setattr("nasviz.corpus.corpus.open_corpus", counted)
    monkeypatch.setattr("nasviz.execution.train.ensure_worker", lambda study: None)
    monkeypatch.setattr("nasviz.execution.train.watch", lambda study, number, _: number)
    assert train(candidate, TrainingPlan(steps=1), corpus, study) == 0  # type: ignore[comparison-overlap]
    assert opened == [corpus]
