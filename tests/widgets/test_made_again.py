"""What the explorer writes down to be made again: its space as code, its text by name or path."""

from __future__ import annotations

from pathlib import Path

import pytest

import nasviz
from nasviz import SearchSpace
from nasviz.space.dimensions import Choice, Real
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS
from nasviz.widgets.code import policy_code, space_code
from nasviz.widgets.option_space import Mode, with_mode
from nasviz.widgets.plan_rows import corpus_of


@pytest.mark.parametrize(
    "space", [SearchSpace.laptop(), SearchSpace.laptop().narrowed("n_layers", 2, 3)]
)
def test_the_code_of_a_space_makes_that_space_and_no_namesake(space: SearchSpace) -> None:
    made = eval(space_code(space), {"nasviz": nasviz})
    assert made == space


@pytest.mark.parametrize("mode", ["on", "both"])
@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.NAME)
def test_the_code_of_a_space_with_options_makes_it_again(kind: type[Option], mode: Mode) -> None:
    space = with_mode(SearchSpace.laptop(), kind, mode)
    made = eval(space_code(space), {"nasviz": nasviz, "Choice": Choice, "Real": Real})
    assert made == space


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.NAME)
def test_the_code_of_a_policy_makes_it_again(kind: type[Option]) -> None:
    for policy in (InferencePolicy((kind(),)), InferencePolicy((kind.neutral(),))):
        assert eval(policy_code(policy), {"nasviz": nasviz}) == policy


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
