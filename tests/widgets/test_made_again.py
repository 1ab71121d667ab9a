"""What the explorer writes down to be made again: its space as code, its text by name or path."""

from __future__ import annotations

from pathlib import Path

import pytest

import nasviz
from nasviz import SearchSpace
from nasviz.widgets.code import space_code
from nasviz.widgets.plan_rows import corpus_of
from nasviz.widgets.state import ExplorerState


@pytest.mark.parametrize(
    "space", [SearchSpace.laptop(), SearchSpace.laptop().narrowed("n_layers", 2, 3)]
)
def test_the_code_of_a_space_makes_that_space_and_no_namesake(space: SearchSpace) -> None:
    made = eval(space_code(ExplorerState(space)), {"nasviz": nasviz})
    assert made == space


def test_a_corpus_name_wins_over_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python").mkdir()
    (tmp_path / "mine.txt").write_text("text")
    monkeypatch.chdir(tmp_path)
    assert corpus_of(" python ") == "python"
    assert corpus_of("") == "python"
    assert corpus_of("mine.txt") == str(tmp_path / "mine.txt")
    assert corpus_of("nowhere") == "nowhere"
