"""`nasviz lab`: the notebooks it copies and the server it starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nasviz import cli
from nasviz.errors import InputError
from nasviz.jupyter.lab import lab_command
from nasviz.jupyter.notebooks import copy_notebooks, shipped_notebooks

EXTENSION = Path(__file__).parents[2] / "nasviz" / "jupyter" / "labextension"


def test_the_explorer_notebook_is_shipped() -> None:
    assert "00_explorer.ipynb" in [path.name for path in shipped_notebooks()]


def test_notebooks_are_copied_and_the_explorers_path_returned(tmp_path: Path) -> None:
    explorer = copy_notebooks(tmp_path / "new")
    assert explorer == tmp_path / "new" / "00_explorer.ipynb"
    assert json.loads(explorer.read_text())["nbformat"] == 4


def test_a_changed_notebook_is_never_overwritten(tmp_path: Path) -> None:
    copy_notebooks(tmp_path).write_text("mine")
    assert copy_notebooks(tmp_path).read_text() == "mine"


def test_a_folder_that_is_a_file_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="choose another place with --folder"):
        copy_notebooks(tmp_path / "taken")


def test_the_servers_token_stays_on_and_further_options_pass_through() -> None:
    command = lab_command("a.ipynb", 8890, no_browser=True, others=["--ServerApp.root_dir=x"])
    assert "--port=8890" in command
    assert "--no-browser" in command
    assert command[-1] == "--ServerApp.root_dir=x"
    assert not [word for word in command if "token" in word or "password" in word]


def test_the_address_that_is_printed_leads_to_the_notebook() -> None:
    command = lab_command("my notebooks/00 a.ipynb", 8890, no_browser=True)
    assert "--LabApp.default_url=/lab/tree/00%20a.ipynb" in command


def test_a_port_that_is_none_is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lab", "--folder", str(tmp_path / "n"), "--port", "70000"]) == 2
    assert "allowed: 0 to 65535" in capsys.readouterr().err
    assert not (tmp_path / "n").exists()


def test_the_launcher_extension_names_the_file_it_loads() -> None:
    package = json.loads((EXTENSION / "package.json").read_text())
    assert (EXTENSION / package["jupyterlab"]["_build"]["load"]).is_file()
