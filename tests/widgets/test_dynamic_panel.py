"""The panel of dynamic inference: its knobs are the state's space, and every option has a row."""

from __future__ import annotations

import pytest

from nasviz.space.candidate import Candidate
from nasviz.space.options.registry import OPTIONS
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.code import explorer_code
from nasviz.widgets.labels import worded
from nasviz.widgets.option_space import mode_of, searched_settings
from nasviz.widgets.panels.dynamic_panel import DynamicPanel
from nasviz.widgets.panels.space_panel import SpacePanel
from nasviz.widgets.state import ExplorerState

FIRST = OPTIONS[0]


@pytest.fixture
def state() -> ExplorerState:
    return ExplorerState(SearchSpace.laptop())


def set_knob(panel: DynamicPanel, name: str, value: object) -> None:
    panel.knobs.values = {**panel.knobs.values, name: value}


def test_every_option_has_a_row_with_its_help_and_all_are_off_at_first(
    state: ExplorerState,
) -> None:
    panel = DynamicPanel(state)
    rows = {row["name"]: row for row in panel.knobs.knobs}
    assert list(rows) == [kind.NAME for kind in OPTIONS]
    for kind in OPTIONS:
        assert rows[kind.NAME]["help"].startswith(kind.HELP)
        assert rows[kind.NAME]["reference"] == kind.REFERENCE
    assert panel.knobs.folds
    assert panel.knobs.summary.endswith("off")


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.NAME)
def test_a_knob_switches_its_option_in_the_space_and_brings_its_settings(
    state: ExplorerState, kind: type
) -> None:
    panel, sizes = DynamicPanel(state), SpacePanel(state)
    set_knob(panel, kind.NAME, "both")
    assert mode_of(state.space, kind) == "both"
    names = [row["name"] for row in panel.knobs.knobs]
    assert [field.name for field in searched_settings(kind)] == [n for n in names if "." in n]
    assert state.narrowed_space().sample(20)
    laptop = [each.name for each in SearchSpace.laptop().dimensions]
    assert list(sizes.knobs.values) == [*laptop, *kind.BRINGS]
    set_knob(panel, kind.NAME, "off")
    assert state.space == SearchSpace.laptop()
    assert state.ranges == ExplorerState(SearchSpace.laptop()).ranges


def test_a_setting_s_knob_narrows_the_space_and_sizes_keep_their_ranges(
    state: ExplorerState,
) -> None:
    panel = DynamicPanel(state)
    state.ranges = {**state.ranges, "n_layers": [4, 6]}
    set_knob(panel, "early_exit", "on")
    set_knob(panel, "early_exit.threshold", [0.8, 0.8])
    assert state.space.base["early_exit.threshold"] == 0.8
    set_knob(panel, "early_exit.every", [1, 4])
    set_knob(panel, "early_exit.criterion", ["margin", "entropy"])
    assert state.ranges["early_exit.every"] == [1, 4]
    assert state.ranges["early_exit.criterion"] == ["margin", "entropy"]
    assert state.ranges["n_layers"] == [4, 6]


def test_what_cannot_be_combined_is_said_under_its_row_and_changes_nothing(
    state: ExplorerState,
) -> None:
    panel = DynamicPanel(state)
    kind = next(each for each in OPTIONS if each.CONFLICTS)
    other = next(iter(kind.CONFLICTS))
    set_knob(panel, other, "on")
    before = state.space
    set_knob(panel, kind.NAME, "on")
    assert "can't be combined" in panel.knobs.errors[kind.NAME]
    assert state.space == before
    assert panel.knobs.values[kind.NAME] == "off"


def test_the_explorer_s_code_makes_the_space_with_its_options(state: ExplorerState) -> None:
    panel = DynamicPanel(state)
    set_knob(panel, FIRST.NAME, "both")
    state.select(state.narrowed_space().sample(1).row(0))
    assert isinstance(state.selection, Candidate)
    code = explorer_code(state)
    made: dict[str, object] = {}
    exec(code[: code.index("explorer =")], made)
    assert made["space"] == state.space


def test_reasons_name_settings_as_people_do() -> None:
    said = worded(f"{FIRST.NAME} and {FIRST.NAME}.{FIRST.FIELDS[0].name}", {})
    assert "_" not in said
    assert "." not in said
