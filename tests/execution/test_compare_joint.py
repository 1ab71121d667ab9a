"""The comparison with real trials: the command, its record, and that a kill loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from waiting import eventually

from nasviz import SearchSpace, Study
from nasviz.cli import main
from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.execution.lock import held_alone
from nasviz.execution.worker import IDLE_VARIABLE, living_worker, stop_worker
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.strategies.joint.compare import LOCK, JointRun
from nasviz.strategies.joint.record import ArmRun, JointComparison, Winner
from nasviz.study.trial import Trial

NASVIZ = [sys.executable, "-m", "nasviz.cli", "compare-joint"]
SPACE = SearchSpace(
    (
        Integer("n_layers", 2, 4),
        Integer("d_model", 16, 32, 8),
        Choice("early_exit", (False, True)),
        Choice("early_exit.criterion", ("max_probability", "saturation")),
        Real("early_exit.threshold", 0.05, 0.95, step=0.05),
    ),
    {"vocab_size": 256, "context_length": 16, "n_heads": 2},
)
SMALL = ["--seeds", "2", "--trials", "9", "--tokens", "3000", "--winners", "2"]
SMALL += ["--reference", "9", "500000"]  # so short a training may be worse than letter frequencies


@pytest.fixture
def space_file(tmp_path: Path) -> str:
    path = tmp_path / "space.json"
    path.write_text(json.dumps(SPACE.to_json()))
    return str(path)


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The studies of two seeds, by seed; their workers leave with the test."""
    monkeypatch.setenv(IDLE_VARIABLE, "60")
    opened: dict[int, Study] = {}

    def study(seed: int) -> Study:
        if seed not in opened:
            opened[seed] = Study.open(tmp_path / "study.db", f"joint-seed-{seed}")
        return opened[seed]

    yield study
    for each in opened.values():
        if living_worker(each) is not None:
            stop_worker(each, wait_s=90)
        each.close()


def origins(trials: list[Trial]) -> Counter[str]:
    return Counter(trial.origin.rsplit(":", 1)[0] for trial in trials)


def kill_after_a_trial(command: list[str], studies) -> dict[int, list[Trial]]:
    """Run a comparison until one trial is trained, kill it; return each seed's complete trials."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        eventually(
            lambda: any(trial.state == "complete" for trial in studies(0).trials()), "a trial", 90
        )
        os.kill(process.pid, signal.SIGKILL)
    return {seed: studies(seed).trials(states=["complete"]) for seed in (0, 1)}


def interrupted(command: list[str], trial: Callable[[], bool]) -> tuple[int, str]:
    """Interrupt a comparison once `trial` is in training; return its exit code and what it said."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        eventually(trial, "its step")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    return process.returncode, said


def check_trained_once(before: dict[int, list[Trial]], studies) -> None:
    """What had been trained was not trained again, nor asked for a second time."""
    for seed, earlier in before.items():
        now = {trial.number: trial for trial in studies(seed).trials()}
        assert all(now[each.number].ended == each.ended for each in earlier)
        asked = [(trial.origin, trial.proposal["place"]) for trial in now.values()]
        assert len(asked) == len(set(asked))


def check_counts(found: JointComparison, studies) -> None:
    """Trials are counted, budgets spent, and only arms with dynamic settings win by them."""
    for seed, runs in found.runs.items():
        counted = origins(studies(seed).trials())
        assert runs["static"].trials == counted["joint:static"]
        assert runs["joint"].trials == counted["joint:joint"]
        assert counted["joint:in steps"] < runs["in steps"].trials
        for run in runs.values():
            assert run.spent_flops >= found.declared.budget_flops
            assert 1 <= len(run.winners) <= 2
    policies = {
        arm: [
            each.candidate.inference for runs in found.runs.values() for each in runs[arm].winners
        ]
        for arm in found.arms
    }
    assert not any(policies["static"])
    assert any(policies["joint"] + policies["in steps"])


def check_winners(found: JointComparison, studies) -> None:
    """What is reported is a fresh training, run as the winner says, on the test part."""
    for seed, runs in found.runs.items():
        for winner in (each for run in runs.values() for each in run.winners):
            trial = studies(seed).trial(winner.trial)
            assert trial.candidate == winner.candidate
            assert trial.plan["seed"] >= 1_000_000
            observed = Observed.from_json(trial.result.get("observed", {}))
            cost = estimate(trial.candidate, observed=observed)
            expected = (trial.result["bits_per_byte"], cost.flops.decode_per_token)
            assert winner.tested == expected


@pytest.mark.slow
def test_the_command_compares_and_after_a_kill_goes_on_where_it_was(
    studies, space_file: str, corpus: str, tmp_path: Path
) -> None:
    command = [*NASVIZ, space_file, "--corpus", corpus, "--study", str(tmp_path / "study.db")]
    command += [*SMALL, "--side-by-side", "2", "--json"]
    before = kill_after_a_trial(command, studies)

    page = tmp_path / "fronts.html"
    done = subprocess.run(
        [*command, "--figure", str(page)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    declared, *trials, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert declared["event"] == "declared"
    assert {line["event"] for line in trials} == {"trial"}
    assert last["declared"] == {k: v for k, v in declared.items() if k != "event"}
    check_trained_once(before, studies)

    found = JointComparison.from_json(last)
    assert found.verdict == last["verdict"]
    assert found.verdict.startswith("Over 2 seeds, joint search ")
    check_counts(found, studies)
    check_winners(found, studies)
    drawn = page.read_text(encoding="utf-8")
    assert "joint search " in drawn
    assert not any(foreign in drawn for foreign in ("<script src=", "<link"))

    # Once more: nothing is left to train, and the answer is the same.
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout.splitlines()[-1]) == last

    # Interrupted, another comparison in the same study leaves its trial paused.
    count = len(studies(0))
    longer = ["3000000" if each == "3000" else each for each in command]
    code, said = interrupted(
        longer, lambda: len(studies(0)) > count and len(studies(0).curve(count)["step"]) > 0
    )
    assert code == 130
    assert "Traceback" not in said
    eventually(lambda: studies(0).trial(count).state == "paused", "the pause")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["laptop"], "no dynamic setting to search"),
        (["dynamik"], "did you mean 'dynamic'?"),
        (["dynamic", "--trials", "0"], "trials=0"),
        (["dynamic", "--seeds", "0"], "--seeds 0 leaves nothing to compare over"),
        (["dynamic", "--seeds", "-2"], "--seeds -2 leaves nothing to compare over"),
        (["dynamic", "--study", "nowhere/study.db"], "nowhere is not there"),
        (["dynamic", "--winners", "0"], "winners=0"),
        (["dynamic", "--side-by-side", "0"], "side_by_side=0"),
        (["dynamic", "--first-share", "1.5"], "first_share=1.5"),
        (["dynamic", "--reference", "3", "-1"], "reference=[3.0, -1.0]"),
        (["dynamic", "--strategy", "nsga3"], "did you mean 'nsga2'?"),
        (["dynamic", "--corpus", "no-such"], "unknown corpus 'no-such'"),
        (["dynamic", "--figure", "fronts.docx"], "has no suffix to export by"),
        (["dynamic", "--figure", "fronts.png"], "end it in .html"),
        (["dynamic", "--figure", "nowhere/fronts.html"], "nowhere is not there"),
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
    needed = ["--study", "study.db", "--tokens", "1000", "--trials", "2"]
    assert main(["compare-joint", arguments[0], *needed, *arguments[1:]]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def comparison_in_which(joint_was_tested: bool, run: JointRun) -> JointComparison:
    """Return what a run of one seed might come to, with a winner of each arm."""
    candidate = SPACE.sample(1).row(0)

    def arm(tested: bool) -> ArmRun:
        values = (4.0, 1e5)
        return ArmRun(3, 0, 1e9, 1e9, (Winner(candidate, values, values if tested else None, 0),))

    arms = {"static": arm(True), "in steps": arm(True), "joint": arm(joint_was_tested)}
    return JointComparison(run.settings, run.declared, {0: arms}, {})


@pytest.mark.parametrize(("tested", "code"), [(True, 0), (False, 1)])
def test_an_arm_without_a_tested_winner_is_exit_code_1(
    tested: bool,
    code: int,
    space_file: str,
    corpus: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(JointRun, "run", lambda run: comparison_in_which(tested, run))
    needed = ["--corpus", corpus, "--study", "study.db", "--tokens", "1000", "--trials", "2"]
    assert main(["compare-joint", space_file, *needed, "--seeds", "1"]) == code
    assert "Over 1 seed, joint search " in capsys.readouterr().out


def test_a_page_that_cannot_be_written_costs_no_result(
    space_file: str,
    corpus: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "fronts.html"
    page.mkdir()  # a folder is in the file's place
    monkeypatch.setattr(JointRun, "run", lambda run: comparison_in_which(True, run))
    needed = ["--corpus", corpus, "--study", "study.db", "--tokens", "1000", "--trials", "2"]
    needed += ["--seeds", "1", "--figure", str(page)]
    assert main(["compare-joint", space_file, *needed]) == 1
    said = capsys.readouterr()
    assert "Over 1 seed, joint search " in said.out
    assert "could not be written" in said.err


def test_a_second_run_of_a_comparison_at_work_is_refused_and_asks_for_no_trial(
    studies, space_file: str, corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = ["--corpus", corpus, "--study", str(tmp_path / "study.db")]
    needed += ["--tokens", "1000", "--trials", "2", "--seeds", "1"]
    with held_alone(studies(0).home / LOCK, "another process"):
        assert main(["compare-joint", space_file, *needed]) == 2
    assert "a comparison is at work in it; wait until it has ended" in capsys.readouterr().err
    assert len(studies(0)) == 0
