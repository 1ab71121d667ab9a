"""The worker process, for real: one worker, tiny models, and everything that can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.execution.worker import IDLE_VARIABLE, ensure_worker, living_worker, stop_worker
from nasviz.model.checkpoint import load_checkpoint
from nasviz.study import queue, workers

pytestmark = pytest.mark.slow

Until = Callable[[Callable[[], object], str], None]
LONG = TrainingPlan(steps=100_000, batch_size=2, precision="fp32")
DIVERGING = TrainingPlan(
    steps=100, batch_size=3, learning_rate=10.0, weight_decay=10.0, optimizer="adamw",
    precision="fp32",
)  # fmt: skip
WILD = Candidate(Architecture(5, 22, 11, 256, 13, position="learned", mlp="relu2", qk_norm=False))
# Its first activations would take 200 GB.
HUGE = Candidate(Architecture(1, 4096, 2, 256, 13, d_ff=8))
SHORT = TrainingPlan(steps=20, batch_size=3, precision="fp32", seed=5)


def test_a_worker_trains_pauses_resumes_cancels_and_outlives_failures(
    study: Study, candidate: Candidate, corpus: str, until: Until, tmp_path: Path
) -> None:
    """One story, since a worker takes seconds to load."""
    worker = ensure_worker(study)
    first = study.add(candidate, SHORT, corpus)
    until(lambda: study.trial(first.number).finished, "the first trial")
    done = study.trial(first.number)
    assert done.state == "complete", done.reason
    result = done.result
    assert json.loads(json.dumps(dict(result))) == dict(result)
    assert result["tokens"] == 20 * 3 * 13
    assert result["trial"] == first.number
    assert result["seed"] == 5
    assert 0 < result["search_bits_per_byte"] < 9
    assert 0 < result["bits_per_byte"] < 9
    assert result["measured_time_per_output_token_s"] > 0
    assert {"torch", "deepspeed", "nasviz", "python"} <= set(result["versions"])
    assert len(result["corpus_sha256"]) == 64
    assert load_checkpoint(study.directory(first.number)).architecture == candidate.architecture
    assert (study.directory(first.number) / "tokenizer.json").is_file()
    assert all(sample["prompt"] for sample in result["samples"])
    curve = study.curve(first.number)
    assert curve["step"][-1] == 20
    assert psutil.Process(worker.pid).nice() == 10

    # Pause: the worker is free for another trial; resume: the step counter goes on.
    second = study.add(candidate, LONG, corpus)
    until(lambda: len(study.curve(second.number)["step"]), "the second trial's first step")
    study.request(second.number, "pause")
    until(lambda: study.trial(second.number).state == "paused", "the pause")
    paused_at = study.curve(second.number)["step"][-1]
    third = study.add(candidate, SHORT.with_(seed=6), corpus)
    until(lambda: study.trial(third.number).state == "complete", "a trial during the pause")
    study.request(second.number, "resume")
    until(lambda: study.curve(second.number)["step"][-1] > paused_at, "steps after the pause")
    steps = study.curve(second.number)["step"]
    assert steps[0] == 1
    assert (steps[1:] > steps[:-1]).all()

    # Cancel.
    study.request(second.number, "cancel")
    until(lambda: study.trial(second.number).finished, "the cancelled trial")
    assert study.trial(second.number).state == "cancelled"
    assert study.trial(second.number).reason == "cancelled by the user"

    # Failures are results: a rate that diverges, a batch beyond any memory, a corpus that is gone.
    gone = tmp_path / "gone.txt"
    gone.write_text(Path(corpus).read_text())
    lost = study.add(candidate, SHORT, str(gone))
    gone.unlink()
    wild = study.add(WILD, DIVERGING, corpus)
    huge = study.add(HUGE, SHORT.with_(batch_size=1_000_000), corpus)
    last = study.add(candidate, SHORT.with_(seed=7), corpus)
    until(lambda: study.trial(last.number).finished, "the trial after the failures")
    assert study.trial(last.number).state == "complete"
    states = [study.trial(each.number).state for each in (lost, wild, huge)]
    assert states == ["failed", "failed", "failed"]
    assert "gone.txt" in study.trial(lost.number).reason
    assert study.trial(wild.number).reason.startswith("not a number: the loss is not a number")
    assert study.trial(huge.number).reason.startswith("out of memory: memory ran out; use a")

    # All of it was one process, which leaves when it is asked to; its trial waits for the next.
    assert [each.pid for each in study.workers()] == [worker.pid]
    unfinished = study.add(candidate, LONG, corpus)
    until(lambda: len(study.curve(unfinished.number)["step"]), "the last trial's first step")
    stop_worker(study)
    assert [each.state for each in study.workers()] == ["ended"]
    assert living_worker(study) is None
    assert study.trial(unfinished.number).state == "waiting"
    assert (study.directory(unfinished.number) / "unfinished").is_dir()


def test_a_killed_workers_trial_resumes_from_its_checkpoint(
    study: Study, candidate: Candidate, corpus: str, until: Until
) -> None:
    trial = study.add(candidate, LONG, corpus)
    first = ensure_worker(study)
    until(lambda: len(study.curve(trial.number)["step"]), "the first step")
    # A pause and a resume leave a checkpoint behind without half a minute's wait.
    study.request(trial.number, "pause")
    until(lambda: study.trial(trial.number).state == "paused", "the checkpoint")
    saved_at = study.curve(trial.number)["step"][-1]
    study.request(trial.number, "resume")
    until(lambda: study.curve(trial.number)["step"][-1] > saved_at, "steps after it")
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: workers.process_start(first.pid) is None, "the kernel to end the worker")
    second = ensure_worker(study)
    assert second.pid != first.pid
    assert study.trial(trial.number).deaths == 1
    until(lambda: study.trial(trial.number).worker == second.number, "the second worker's claim")
    until(
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
    until(lambda: study.trial(trial.number).finished, "somebody to notice")
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


def test_an_idle_worker_leaves(study: Study, monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    monkeypatch.setenv(IDLE_VARIABLE, "0.2")
    worker = ensure_worker(study)
    until(lambda: living_worker(study) is None, "the worker to leave")
    until(lambda: workers.process_start(worker.pid) is None, "its process to end")
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
