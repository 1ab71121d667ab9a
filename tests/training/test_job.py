"""By what a run knows its own unfinished state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nasviz import Architecture, Candidate, TrainingPlan
from nasviz.training.job import Job

JOB = Job(
    candidate=Candidate(Architecture(2, d_model=22, n_heads=11, vocab_size=257, context_length=7)),
    plan=TrainingPlan(steps=13, threads=1),
    train=np.arange(1_009) % 257,
    held_out=np.arange(101) % 257,
    token_bytes=np.ones(257, dtype=np.int64),
    directory=Path("somewhere"),
)


def test_a_run_goes_on_with_another_number_of_threads() -> None:
    assert replace(JOB, plan=JOB.plan.with_(threads=3)).owner == JOB.owner


def test_another_plan_architecture_or_text_is_another_run() -> None:
    others = [
        replace(JOB, plan=JOB.plan.with_(seed=1)),
        replace(JOB, candidate=Candidate(JOB.architecture.with_(n_layers=3))),
        replace(JOB, train=JOB.train[:-1]),
        replace(JOB, train=JOB.train[::-1]),  # as long, and another text
    ]
    assert JOB.owner not in {other.owner for other in others}
