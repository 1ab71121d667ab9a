"""The frame of the command line: help, unknown words, exit codes."""

from __future__ import annotations

import re

import pytest

from nasviz import cli
from nasviz.commands import search
from nasviz.cost.workload_fields import WORKLOAD_FIELDS
from nasviz.strategies.objectives import NAMES
from nasviz.training.fields import PLAN_FIELDS


def test_without_a_command_it_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    assert [name for name in cli.COMMANDS if f"  {name} " not in shown] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: nasviz {name}" in capsys.readouterr().out


def test_a_mistyped_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serch"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "nasviz: unknown command 'serch'; did you mean 'search'?\n"


def test_an_unknown_option_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cost", "gpt2", "--hardwear", "t4"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "unrecognized arguments: --hardwear t4" in said.err


def test_an_option_is_not_guessed_from_its_first_letters() -> None:
    assert cli.main(["cost", "gpt2", "--hard", "t4"]) == 2


def test_the_help_of_search_names_every_objective() -> None:
    listed = re.search(r"Objectives are minimised: (.*?)\.\n", search.HELP, re.DOTALL)
    assert listed is not None
    words = re.findall(r"[a-z]+(?:_[a-z]+)+", listed[1])
    assert words == list(NAMES)


def test_an_option_says_what_the_catalogue_says_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    for command, fields in (
        ("train", [PLAN_FIELDS[name] for name in ("tokens", "steps", "seconds", "batch_size")]),
        ("cost", [WORKLOAD_FIELDS[name] for name in ("batch", "prompt_tokens", "precision")]),
    ):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert [field.name for field in fields if field.help not in said] == []
