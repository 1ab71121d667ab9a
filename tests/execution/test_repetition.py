"""A small text that is read again and again is said to be, before the training begins."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nasviz import Candidate, Study, TrainingPlan
from nasviz.corpus.corpus import open_corpus
from nasviz.execution.check import checked_text, repetition


@pytest.mark.parametrize("budget", ["tokens", "steps"])
def test_ten_passes_over_a_small_text_are_said_with_their_number(
    candidate: Candidate, corpus: str, budget: str
) -> None:
    passes = 10
    planned = passes * open_corpus(corpus).part_bytes("train")  # a byte a token: 256 ids
    steps = planned // (3 * candidate.architecture.context_length)
    plan = TrainingPlan(batch_size=3, **{budget: planned if budget == "tokens" else steps})
    said = repetition(candidate, plan, checked_text(candidate, corpus))
    assert said is not None
    assert "will be repeated 10.0 times" in said


def test_a_single_pass_needs_no_warning(candidate: Candidate, corpus: str) -> None:
    plan = TrainingPlan(bytes=open_corpus(corpus).part_bytes("train"))
    assert repetition(candidate, plan, checked_text(candidate, corpus)) is None


def test_a_budget_by_the_clock_has_no_planned_size(candidate: Candidate, corpus: str) -> None:
    text = checked_text(candidate, corpus)
    assert repetition(candidate, TrainingPlan(seconds=1e6), text) is None


@pytest.mark.slow
def test_the_command_says_so_on_standard_error_in_one_line(
    candidate: Candidate, corpus: str, study: Study, tmp_path: Path
) -> None:
    path = tmp_path / "candidate.json"
    path.write_text(json.dumps(candidate.to_json()))
    tokens = str(6 * open_corpus(corpus).part_bytes("train"))
    arguments = ["train", str(path), "--corpus", corpus, "--tokens", tokens, "--batch", "2000"]
    done = subprocess.run(
        [sys.executable, "-m", "nasviz.cli", *arguments, "--study", study.url],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "repeated" in line]
    assert len(said) == 1
    assert said[0].startswith("nasviz: warning: the training text")
