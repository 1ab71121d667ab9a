"""The worker process, for real: one worker, tiny models, and everything that can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import eventually

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.execution.worker import IDLE_VARIABLE, ensure_worker, living_worker, stop_worker
from nasviz.model.checkpoint import load_checkpoint
from nasviz.study import queue, workers

pytestmark = pytest.mark.slow

LONG = TrainingPlan(steps=100_000, batch_size=2, precision="fp32")
DIVERGING = TrainingPlan(
    steps=100, batch_size=3, learning_rate=10.0, weight_decay=10.0, optimizer="adamw",
    precision="fp32",
)  # fmt: skip
WILD = Candidate(Architecture(5, 22, 11, 256, 13, position="learned", mlp="relu2", qk_norm=False))
# Its first activations would take 200 GB.
HUGE = Candidate(Architecture(1, 4096, 2, 256, 13, d_ff=8))
SHORT = TrainingPlan(steps=20, batch_size=3, precision="fp32", seed=5)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study with a worker that all tests of this file share, since one takes seconds to load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(IDLE_VARIABLE, "60")
        study = Study.open(tmp_path_factory.mktemp("served") / "study.db")
        ensure_worker(study)
        yield study
        stop_worker(study, wait_s=90)
        study.close()


def test_a_complete_trial_has_a_result_a_curve_and_a_model(
    served: Study, candidate: Candidate, corpus: str
) -> None:
    trial = served.add(candidate, SHORT, corpus)
    eventually(lambda: served.trial(trial.number).finished, "the trial")
    done = served.trial(trial.number)
    assert done.state == "complete", done.reason
    result = done.result
    assert json.loads(json.dumps(dict(result))) == dict(result)
    assert (result["tokens"], result["trial"], result["seed"]) == (20 * 3 * 13, trial.number, 5)
    assert 0 < result["search_bits_per_byte"] < 9
    assert 0 < result["bits_per_byte"] < 9
    assert result["measured_time_per_output_token_s"] > 0
    assert {"torch", "deepspeed", "nasviz", "python"} <= set(result["versions"])
    assert len(result["corpus_sha256"]) == 64
    assert all(sample["prompt"] for sample in result["samples"])
    assert served.curve(trial.number)["step"][-1] == 20
    folder = served.directory(trial.number)
    assert load_checkpoint(folder).architecture == candidate.architecture
    assert (folder / "tokenizer.json").is_file()


def test_a_worker_leaves_the_cores_to_others(served: Study) -> None:
    worker = living_worker(served)
    assert worker is not None
    eventually(lambda: psutil.Process(worker.pid).nice() == 10, "the lower priority")


def test_a_paused_trial_frees_its_worker_and_goes_on_from_its_step(
    served: Study, candidate: Candidate, corpus: str
) -> None:
    long = served.add(candidate, LONG, corpus).number
    eventually(lambda: len(served.curve(long)["step"]), "the first step")
    served.request(long, "pause")
    eventually(lambda: served.trial(long).state == "paused", "the pause")
    paused_at = served.curve(long)["step"][-1]
    other = served.add(candidate, SHORT.with_(seed=6), corpus).number
    eventually(lambda: served.trial(other).state == "complete", "a trial during the pause")

    served.request(long, "resume")
    eventually(lambda: served.curve(long)["step"][-1] > paused_at, "steps after the pause")
    steps = served.curve(long)["step"]
    assert steps[0] == 1
    assert (steps[1:] > steps[:-1]).all()
    served.request(long, "cancel")
    eventually(lambda: served.trial(long).finished, "the cancellation")


def test_a_trial_in_training_is_cancelled_when_it_is_asked_for(
    served: Study, candidate: Candidate, corpus: str
) -> None:
    trial = served.add(candidate, LONG, corpus).number
    eventually(lambda: len(served.curve(trial)["step"]), "the first step")
    served.request(trial, "cancel")
    eventually(lambda: served.trial(trial).finished, "the cancelled trial")
    assert served.trial(trial).state == "cancelled"
    assert served.trial(trial).reason == "cancelled by the user"


def test_failures_are_results_and_the_worker_goes_on(
    served: Study, candidate: Candidate, corpus: str, tmp_path: Path
) -> None:
    """A corpus that is gone, a rate that diverges, a batch beyond any memory; then a sound one."""
    before = living_worker(served)
    gone = tmp_path / "gone.txt"
    gone.write_text(Path(corpus).read_text())
    lost = served.add(candidate, SHORT, str(gone)).number
    gone.unlink()
    wild = served.add(WILD, DIVERGING, corpus).number
    huge = served.add(HUGE, SHORT.with_(batch_size=1_000_000), corpus).number
    last = served.add(candidate, SHORT.with_(seed=7), corpus).number
    eventually(lambda: served.trial(last).finished, "the trial after the failures")
    assert served.trial(last).state == "complete"
    assert {served.trial(each).state for each in (lost, wild, huge)} == {"failed"}
    assert "gone.txt" in served.trial(lost).reason
    assert served.trial(wild).reason.startswith("not a number: the loss is not a number")
    assert served.trial(huge).reason.startswith("out of memory: training needs ")
    after = living_worker(served)
    assert before is not None
    assert after is not None
    assert after.pid == before.pid


def test_a_worker_that_is_asked_to_leave_puts_its_trial_back(
    study: Study, candidate: Candidate, corpus: str
) -> None:
    worker = ensure_worker(study)
    unfinished = study.add(candidate, LONG, corpus).number
    eventually(lambda: len(study.curve(unfinished)["step"]), "the first step")
    stop_worker(study, wait_s=90)
    assert [(each.pid, each.state) for each in study.workers()] == [(worker.pid, "ended")]
    assert living_worker(study) is None
    assert study.trial(unfinished).state == "waiting"
    assert (study.directory(unfinished) / "unfinished").is_dir()


def test_a_killed_workers_trial_resumes_from_its_checkpoint(
    study: Study, candidate: Candidate, corpus: str
) -> None:
    trial = study.add(candidate, LONG, corpus)
    first = ensure_worker(study)
    eventually(lambda: len(study.curve(trial.number)["step"]), "the first step")
    # A pause and a resume leave a checkpoint behind without half a minute's wait.
    study.request(trial.number, "pause")
    eventually(lambda: study.trial(trial.number).state == "paused", "the checkpoint")
    saved_at = study.curve(trial.number)["step"][-1]
    study.request(trial.number, "resume")
    eventually(lambda: study.curve(trial.number)["step"][-1] > saved_at, "steps after it")
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: workers.process_start(first.pid) is None, "the kernel to end the worker")
    second = ensure_worker(study)
    assert second.pid != first.pid
    assert study.trial(trial.number).deaths == 1
    eventually(
        lambda: study.trial(trial.number).worker == second.number, "the second worker's claim"
    )
    eventually(
        lambda: (
            study.curve(trial.number, after_step=int(saved_at))["step"].size
            and study.trial(trial.number).state == "running"
        ),
        "steps by the second worker",
    )
    assert (study.directory(trial.number) / "unfinished").is_dir()
    states = {each.number: each.state for each in study.workers()}
    assert states[first.number] == "dead"

    # Killed again: the trial is a failure with its reason, and the study goes on.
    os.kill(second.pid, signal.SIGKILL)
    eventually(lambda: study.trial(trial.number).finished, "somebody to notice")
    failed = study.trial(trial.number)
    assert failed.state == "failed"
    assert failed.reason.startswith(f"killed: worker {second.pid} on ")


ASK = """
import sys
from nasviz import Study
from nasviz.execution.worker import ensure_worker
study = Study.open(sys.argv[1])
sys.stdin.readline()
print(ensure_worker(study).pid)
"""


def test_two_kernels_that_ask_at_once_get_one_worker(study: Study) -> None:
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, study.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for kernel in kernels:
        assert kernel.stdin is not None
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    pids = {kernel.communicate(timeout=60)[0].strip() for kernel in kernels}
    assert len(pids) == 1
    # The kernels are gone, and the worker is not.
    worker = living_worker(study)
    assert worker is not None
    assert {str(worker.pid)} == pids


def test_an_idle_worker_leaves(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IDLE_VARIABLE, "0.2")
    worker = ensure_worker(study)
    eventually(lambda: living_worker(study) is None, "the worker to leave")
    eventually(lambda: workers.process_start(worker.pid) is None, "its process to end")
    assert study.workers()[0].state == "ended"


def test_the_kernels_out_of_memory_killer_is_named(
    study: Study, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = study.add(candidate)
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(workers, "oom_kills", lambda: 4)
    number = study.database.write(
        lambda connection: workers.register(connection, study.id, victim.pid, Path("worker.log"))
    )
    queue.claim(study, number)
    victim.kill()
    victim.wait()
    monkeypatch.setattr(workers, "oom_kills", lambda: 5)
    queue.notice_dead_workers(study)
    failed = study.trial(trial.number)
    assert failed.state == "failed"
    assert failed.reason.startswith("out of memory: the kernel ended worker")
