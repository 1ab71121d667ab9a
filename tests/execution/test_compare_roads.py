"""The two roads with real trials: the command, its record, and that a kill loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from nasviz import Architecture, Study
from nasviz.cli import main
from nasviz.execution.lock import held_alone
from nasviz.execution.runner import run_trial
from nasviz.space.replacement import per_layer
from nasviz.strategies import attended as attending
from nasviz.strategies.roads import compare, record, targets, walk
from nasviz.strategies.roads.compare import LOCK, STUDY, trials_of_a_seed
from nasviz.strategies.roads.outcome import ALIKE, BY_LAYER
from nasviz.strategies.roads.record import RoadsComparison
from nasviz.strategies.roads.targets import DEPTH, METHODS, TARGETS, WIDTH
from nasviz.study import queue

SIZES = Architecture(4, 16, 2, 256, 16)
SMALL = ["--tokens", "2000", "--healing-tokens", "600", "--seeds", "1"]


@pytest.fixture
def sizes_file(tmp_path: Path) -> str:
    path = tmp_path / "sizes.json"
    path.write_text(json.dumps({"architecture": SIZES.to_json()}))
    return str(path)


@pytest.fixture
def two_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the layers and half of every layer alone, each cut twice; one search of layers."""
    for module in (targets, compare, walk):
        monkeypatch.setattr(module, "TARGETS", {name: TARGETS[name] for name in (DEPTH, WIDTH)})
    for module in (compare, walk, record):
        monkeypatch.setattr(module, "METHODS", {name: METHODS[name][:1] for name in METHODS})
    for module in (compare, walk):
        monkeypatch.setattr(module, "DRAWS", 1)
    for module in (compare, walk, record, per_layer):
        monkeypatch.setattr(module, "SCORES", ("shared",))


class Killed(Exception):  # noqa: N818 (it stands for a signal)
    """The process was killed."""


def worker_that_is_killed_after(trials: int):
    """A worker in this process, which takes the one trial that waits whenever it is looked for."""
    left = [trials]

    def work(study: Study) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        trial = queue.claim(study, worker=1)
        assert trial is not None
        run_trial(study, trial, lambda: False)

    return work


@pytest.mark.slow
def test_the_command_compares_and_after_a_kill_goes_on_where_it_was(
    two_targets: None,
    sizes_file: str,
    corpus: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.set_num_threads(1)
    total = trials_of_a_seed()
    command = ["compare-roads", "--architecture", sizes_file, "--corpus", corpus, *SMALL]
    command += ["--study", str(tmp_path / "study.db"), "--json"]
    monkeypatch.setattr(attending, "ensure_worker", worker_that_is_killed_after(5))
    with pytest.raises(Killed):
        main(command)
    study = Study.open(tmp_path / "study.db", STUDY)
    before = study.trials(states=["complete"])
    assert len(before) == 5
    capsys.readouterr()

    page = tmp_path / "roads.html"
    monkeypatch.setattr(attending, "ensure_worker", worker_that_is_killed_after(total - 5))
    assert main([*command, "--figure", str(page)]) == 0
    *lines, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["done"] for line in lines] == list(range(1, total + 1))
    now = study.trials()
    assert len(now) == total
    assert [now[each.number].ended for each in before] == [each.ended for each in before]
    assert page.read_text(encoding="utf-8").count(DEPTH) >= 1

    check(RoadsComparison.from_json(last), study)
    study.close()


def check(found: RoadsComparison, study: Study) -> None:
    """What is reported is what the study's trials came to, each of them what its place says."""
    run = found.runs[0]
    assert run.parent.flops == study.trial(run.parent.trial).result["training_flops"]
    for target in found.targets:
        sizes = found.settings.targets[target]
        for outcome in (*run.pruned[target].values(), *run.chance[target]):
            trial = study.trial(outcome.trial)
            assert trial.candidate.architecture == sizes
            assert trial.lineage is not None
            assert trial.lineage.parent_trial == run.parent.trial
            assert outcome.bits_per_byte == trial.result["bits_per_byte"]
        for account, outcome in run.scratch[target].items():
            trial = study.trial(outcome.trial)
            assert (trial.candidate.architecture, trial.lineage) == (sizes, None)
            # Whole updates of the weights: the first account is three of them here.
            assert outcome.flops == pytest.approx(run.compute(target)[account], rel=0.25)
    for by_shape in run.as_fast.values():
        by_layer, alike = (study.trial(by_shape[name].trial) for name in (BY_LAYER, ALIKE))
        assert by_layer.candidate.architecture.layer_sizes == by_shape[BY_LAYER].layer_sizes
        assert by_shape[BY_LAYER].flops > by_layer.result["training_flops"]
        assert alike.candidate.architecture == found.settings.targets[DEPTH]
        assert alike.result["tokens"] > by_layer.result["tokens"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0"], "--seeds 0 leaves nothing to compare over"),
        (["--tokens", "0"], "tokens=0"),
        (["--healing-tokens", "-3"], "tokens=-3"),
        (["--corpus", "no-such"], "unknown corpus 'no-such'"),
        (["--architecture", "gtp2"], "did you mean 'gpt2'?"),
        (["--architecture", "smollm2-135m"], "can't be halved"),
        (["--study", "nowhere/study.db"], "nowhere is not there"),
        (["--figure", "roads.png"], "end it in .html"),
        (["--figure", "nowhere/roads.html"], "nowhere is not there"),
    ],
)
def test_a_wrong_comparison_is_exit_code_2_and_nothing_is_written(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare-roads", "--study", "study.db", *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_at_work_is_refused_and_asks_for_no_trial(
    sizes_file: str, corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Study.open(tmp_path / "study.db", STUDY)
    needed = ["--architecture", sizes_file, "--corpus", corpus, *SMALL]
    with held_alone(study.home / LOCK, "another process"):
        assert main(["compare-roads", "--study", str(tmp_path / "study.db"), *needed]) == 2
    assert "a comparison is at work in it; wait until it has ended" in capsys.readouterr().err
    assert len(study) == 0
    study.close()
