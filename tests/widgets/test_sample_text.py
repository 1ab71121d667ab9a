"""What the Training tab asks a trained model for."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasviz import Architecture, Candidate, Study
from nasviz.errors import RunError
from nasviz.widgets.writing import written_by


@pytest.mark.parametrize("prompt", ["-x", "--help"])
def test_a_prompt_that_begins_with_a_dash_is_a_prompt(prompt: str, tmp_path: Path) -> None:
    study = Study.open(tmp_path / "study.db")
    trial = study.add(Candidate(Architecture(1, 8, 1, 256, 8)))
    # The command gets as far as the model, which is not trained.
    with pytest.raises(RunError, match="neither a trial's number nor a folder"):
        written_by(study, trial.number, prompt)
