"""`import nasviz` is light, and every light room stays so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nasviz

HEAVY = (
    "torch",
    "deepspeed",
    "bokeh",
    "optuna",
    "numpy",
    "scipy",
    "ipywidgets",
    "anywidget",
    "transformers",
    "tokenizers",
    "sqlalchemy",
)


def modules_after(statement: str) -> set[str]:
    """Return the heavy top-level packages that a fresh interpreter has after `statement`."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split()) & set(HEAVY)


def test_importing_nasviz_loads_nothing_heavy() -> None:
    assert modules_after("import nasviz") == set()


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import nasviz.cli", set()),
        ("import nasviz.space.architecture", set()),
        ("from nasviz import Architecture, Candidate, InferencePolicy", set()),
        ("from nasviz import SearchSpace, CandidateTable, presets", {"numpy"}),
        ("from nasviz import estimate, Workload, Hardware, Quality", {"numpy"}),
        ("import nasviz.cost.columns", {"numpy"}),
        ("import nasviz.quality.prior", {"numpy"}),
        ("from nasviz import TrainingPlan", {"numpy"}),
    ],
)
def test_a_light_room_loads_only_what_it_owns(statement: str, allowed: set[str]) -> None:
    slipped_in = modules_after(statement) - allowed
    assert slipped_in == set()


def test_the_explorer_starts_without_torch() -> None:
    loaded = modules_after("import nasviz.widgets.explorer")
    assert not loaded & {"torch", "deepspeed", "transformers"}


def test_the_public_names_are_the_documented_ones() -> None:
    documented = {
        "Architecture",
        "InferencePolicy",
        "PerLayer",
        "Candidate",
        "CandidateTable",
        "SearchSpace",
        "Workload",
        "Hardware",
        "Cost",
        "Quality",
        "TrainingPlan",
        "Trial",
        "Study",
        "Explorer",
        "estimate",
        "presets",
        "prune",
        "train",
        "search",
    }
    assert set(nasviz.__all__) == documented


@pytest.mark.parametrize("name", sorted(nasviz.__all__))
def test_each_public_name_loads(name: str) -> None:
    assert getattr(nasviz, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Architektur'"):
        _ = nasviz.Architektur  # type: ignore[attr-defined]


def test_search_and_train_stay_functions_after_their_rooms_were_imported() -> None:
    code = (
        "import nasviz, nasviz.strategies.search, nasviz.execution.train;"
        "assert callable(nasviz.search) and callable(nasviz.train)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
