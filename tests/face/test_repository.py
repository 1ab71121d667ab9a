"""What the repository says of itself is true: README, contributor's page, sizes, public names."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import nasviz
from nasviz import cli
from nasviz.cost.profiles import PROFILES
from nasviz.space import presets, toml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")

TOP_LEVEL = {
    *("nasviz", "tests", "notebooks", "binder", "README.md", "CHANGELOG.md", "LICENSE"),
    *("pyproject.toml", ".ci", ".github", ".gitignore", ".pre-commit-config.yaml"),
}
MOST_LINES = 450
MOST_FUNCTION_LINES = 70

# What the README's library sample would take minutes for, in a size for a test.
SMALL = {
    "SearchSpace.laptop()": "SearchSpace.laptop().narrowed('n_layers', 1, 2).fixed('d_model', 64)",
    "sample(100_000": "sample(2_000",
    "tokens=500_000": "tokens=8_000",
    "trials=20": "trials=1",
    "Architecture(6, 128, 4": "Architecture(3, 32, 2",
    "context_length=128": "context_length=32",
}


def tracked() -> list[str]:
    """The paths that belong to the repository: git's, or all files where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return listed.stdout.splitlines()
    return [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]


PATHS = [path for path in tracked() if (ROOT / path).is_file()]
SOURCES = [path for path in PATHS if path.startswith("nasviz/") and path.endswith(".py")]
TEXTS = [path for path in PATHS if path.endswith((".py", ".md", ".toml", ".js", ".css", ".ipynb"))]


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def words_of_the_table() -> list[str]:
    """The commands that the README's table shows, one `nasviz …` line each."""
    rows = re.findall(r"^\| (`nasviz .*?) \|", README, flags=re.MULTILINE)
    return [cell for row in rows for cell in re.findall(r"`(.*?)`", row)]


def links(text: str) -> list[str]:
    """The targets inside the repository that a page of Markdown links to or shows."""
    found = re.findall(r"\]\(([^)#]+)\)", text)
    return [target for target in found if "://" not in target]


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    assert {path.split("/")[0] for path in PATHS} == TOP_LEVEL


@pytest.mark.parametrize("page", ["README.md", ".github/CONTRIBUTING.md"])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    here = ROOT / page
    targets = links(here.read_text(encoding="utf-8"))
    assert [each for each in targets if not (here.parent / each).exists()] == []


def test_every_notebook_is_linked_by_the_readme() -> None:
    notebooks = [path for path in PATHS if path.startswith("notebooks/")]
    assert [path for path in notebooks if path not in links(README)] == []


def test_the_table_of_commands_names_all_of_them() -> None:
    shown = " ".join(words_of_the_table())
    assert [name for name in cli.COMMANDS if not re.search(rf"\b{name}\b", shown)] == []


@pytest.mark.parametrize("line", [line for line in words_of_the_table() if " " in line])
def test_a_command_of_the_table_is_one_that_the_command_line_takes(line: str) -> None:
    _, name, *words = shlex.split(line)
    assert name in cli.COMMANDS
    parser = cli._Parser()
    import_module(f"nasviz.commands.{name.replace('-', '_')}").add_arguments(parser)
    parser.parse_args(words)  # raises InputError for anything unknown or missing


def test_the_commands_of_the_start_are_there() -> None:
    first, second = code_blocks("sh")[:2]
    assert ".venv/bin/nasviz lab" in first
    assert os.access(ROOT / second.strip(), os.X_OK)


def test_the_python_blocks_of_the_readme_are_python() -> None:
    blocks = code_blocks("python")
    assert len(blocks) >= 3
    for block in blocks:
        compile(block, "README.md", "exec")


@pytest.mark.slow
def test_the_library_sample_of_the_readme_runs(tmp_path: Path) -> None:
    (first,) = [block for block in code_blocks("python") if "Study.open" in block]
    (second,) = [block for block in code_blocks("python") if "InferencePolicy" in block]
    sample = first + second
    for said, small in SMALL.items():
        assert said in sample, f"the sample no longer says {said}"
        sample = sample.replace(said, small)
    # Whatever was loaded by other tests must not help it, and its worker leaves when it is done.
    environment = {**os.environ, "NASVIZ_WORKER_IDLE_S": "0.5"}
    done = subprocess.run(
        [sys.executable, "-c", sample],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    bits_per_byte, dynamic = done.stdout.splitlines()  # and nothing else on stdout
    assert 1.0 < float(bits_per_byte) < 8.0
    assert 1.0 <= float(dynamic.split()[0]) <= 3.0  # layers a token


@pytest.mark.parametrize("path", re.findall(r"`((?:nasviz|tests)/[\w/.]+)`", CONTRIBUTING))
def test_a_path_that_contributors_are_sent_to_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_counts_of_the_changelog_are_true() -> None:
    assert f"{len(presets.NAMES)} presets" in CHANGELOG
    assert f"{len(PROFILES)} published hardware profiles" in CHANGELOG


def test_no_source_file_is_long() -> None:
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in SOURCES}
    assert {path: n for path, n in lengths.items() if n > MOST_LINES} == {}


def test_no_function_is_long() -> None:
    long = {
        f"{path}:{node.name}": node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
    }
    assert {name: n for name, n in long.items() if n > MOST_FUNCTION_LINES} == {}


@pytest.mark.parametrize("name", sorted(nasviz.__all__))
def test_a_public_name_explains_itself(name: str) -> None:
    assert len((inspect.getdoc(getattr(nasviz, name)) or "").split()) >= 5


def test_nothing_names_a_place_on_somebodys_machine() -> None:
    private = re.compile(r"(?<![\w.])/(?:home|Users|root|work)/\w+")
    own = Path(__file__).relative_to(ROOT).as_posix()
    found = {
        path: private.findall((ROOT / path).read_text(encoding="utf-8"))
        for path in TEXTS
        if path != own
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_the_version_is_said_once_and_the_same_everywhere() -> None:
    project = toml.parse((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == nasviz.__version__
    assert f"## {nasviz.__version__}" in CHANGELOG


def test_the_notebooks_name_a_kernel_that_every_jupyter_has() -> None:
    for path in ROOT.glob("notebooks/*.ipynb"):
        kernel = json.loads(path.read_text(encoding="utf-8"))["metadata"]["kernelspec"]["name"]
        assert kernel == "python3", path
