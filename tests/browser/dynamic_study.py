"""A study to look into dynamic inference with: trained for real, on text that looks like markup."""

from __future__ import annotations

from pathlib import Path

import pytest

import nasviz
from nasviz import Architecture, Candidate, InferencePolicy, Study, TrainingPlan
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.self_speculation import SelfSpeculation

# Tokens that would be markup: pairs that occur together become one token each.
HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)>"
SIZES = Architecture(n_layers=4, d_model=64, n_heads=2, vocab_size=512, context_length=64)
EXITS = InferencePolicy((EarlyExit(threshold=0.6, skipped_layers="recompute"),))
GUESSES = InferencePolicy((SelfSpeculation(draft_layers=2),))


def trained_study(folder: Path) -> tuple[str, str]:
    """Return the address of a study and the file of its text.

    Its trials are static (0), with exits (1), and guessing (2).
    """
    corpus = folder / "markup.txt"
    lines = [f"{n} plus {n} is {2 * n}; {HOSTILE if n % 5 == 0 else ''}\n" for n in range(9_000)]
    corpus.write_text("".join(lines))
    url = str(folder / "study.db")
    study = Study.open(url)
    plan = TrainingPlan(tokens=60_000, threads=1)
    candidates = (
        Candidate(SIZES.with_(n_layers=2)), Candidate(SIZES, EXITS), Candidate(SIZES, GUESSES),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NASVIZ_WORKER_IDLE_S", "2")  # its worker doesn't outlive the tests
        for candidate in candidates:
            trial = nasviz.train(candidate, plan, corpus=str(corpus), study=study)
            assert trial.state == "complete", trial.reason
    study.close()
    return url, str(corpus)
