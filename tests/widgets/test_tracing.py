"""Exits are read for the selection beside the kernel's thread; what can't be read is said."""

from __future__ import annotations

from pathlib import Path

from exit_readings import reading, state_of
from waiting import eventually

from nasviz.corpus.tokenizer import Tokenizer
from nasviz.execution.results import TRACES
from nasviz.quality.exit_trace_file import save_exit_trace
from nasviz.space.candidate import Candidate
from nasviz.study.study import Study
from nasviz.widgets.tracing import Tracing


def test_exits_follow_the_selection_and_a_lost_file_is_said(tmp_path: Path) -> None:
    made = reading(500, 3)
    study = Study.open(f"sqlite:///{tmp_path}/study.db")
    study.add(made.trial.candidate, dict(made.trial.plan))
    state = state_of(made.trial)
    tracing = Tracing(state, lambda: study)
    tracing.start()
    try:
        state.select(made.trial.candidate)
        eventually(lambda: state.exits_problem != "", "the lost file is said", seconds=10)
        assert "exit_trace" in state.exits_problem
        folder = study.directory(0)
        folder.mkdir(parents=True, exist_ok=True)
        for part, name in TRACES.items():
            save_exit_trace(made.traces[part], folder / name)
        Tokenizer(256).save(folder)
        state.select(Candidate(made.trial.candidate.architecture))
        eventually(lambda: state.exits_problem == "", "a static one has none", seconds=10)
        assert state.exits is None
        state.select(made.trial.candidate)
        eventually(lambda: state.exits is not None, "the exits are there", seconds=10)
        assert state.exits.test.n_tokens == 500
    finally:
        tracing.close()
        study.close()
