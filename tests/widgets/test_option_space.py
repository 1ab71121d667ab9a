"""Options of inference in the explorer's space: modes, starting ranges, filters of the map."""

from __future__ import annotations

import numpy as np
import pytest

from nasviz.errors import InputError
from nasviz.space.dimensions import Choice
from nasviz.space.field import choice, integer, real, switch
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.filters import Filters, passing
from nasviz.widgets.option_space import (
    mode_of,
    searched_settings,
    starting_range,
    starting_ranges,
    usual_values,
    whole_dimension,
    with_mode,
    with_range,
)
from nasviz.widgets.ranges import checked_ranges, narrowed_to

LAPTOP = SearchSpace.laptop()


def narrowed(space: SearchSpace) -> SearchSpace:
    return narrowed_to(space, checked_ranges(space, starting_ranges(space, {})))


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.NAME)
def test_every_option_that_is_on_is_in_every_candidate(kind: type[Option]) -> None:
    space = with_mode(LAPTOP, kind, "on")
    assert mode_of(space, kind) == "on"
    table = narrowed(space).sample(50)
    assert all(candidate.inference.get(kind) is not None for candidate in table)
    assert mode_of(with_mode(space, kind, "off"), kind) == "off"
    assert with_mode(space, kind, "off") == LAPTOP


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.NAME)
def test_both_searches_models_with_the_option_and_without_it(kind: type[Option]) -> None:
    space = narrowed(with_mode(LAPTOP, kind, "both"))
    on = {candidate.inference.get(kind) is not None for candidate in space.sample(500)}
    assert on == {False, True}


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.NAME)
def test_every_usual_value_of_a_setting_is_one_that_candidates_can_have(
    kind: type[Option],
) -> None:
    for field in searched_settings(kind):
        assert field.default in usual_values(field)
        space = with_range(with_mode(LAPTOP, kind, "on"), field, starting_range(field))
        for value in usual_values(field):
            fixed = space.fixed(field.name, value)
            if narrowed(fixed).count().feasible or not kind.RULES:
                option = narrowed(fixed).sample(1).row(0).inference.get(kind)
                assert getattr(option, field.name.split(".")[1]) == value


def test_an_option_brings_the_sizes_that_it_needs_and_takes_them_away_again() -> None:
    space = with_mode(LAPTOP, MixtureOfExperts, "both")
    assert {candidate.architecture.experts for candidate in narrowed(space).sample(200)} == {4, 8}
    assert with_mode(space, MixtureOfExperts, "off") == LAPTOP
    own = LAPTOP.with_dimension(Choice("experts", (1, 2, 6))).fixed("experts_per_token", 2)
    kept = with_mode(own, MixtureOfExperts, "on")
    assert {each.architecture.experts for each in narrowed(kept).sample(200)} == {2, 6}
    assert with_mode(kept, MixtureOfExperts, "off") == own


def test_shares_begin_around_their_default_and_other_numbers_at_a_half_and_the_double() -> None:
    share = real("keep", "Keep", 0.0, 1.0, "", "", default=0.9)
    window = integer("window", "Window", 0, 4_194_304, "", "", default=64)
    rest = integer("seed", "Seed", 0, 99, "", "", default=0)
    assert starting_range(share) == [pytest.approx(0.7), 1.0]
    assert starting_range(window) == [32, 128]
    assert usual_values(window) == (8, 16, 32, 64, 128, 256, 512)
    assert usual_values(rest) == (0, 1, 2, 4, 8)
    assert starting_range(rest) == [0, 0]
    assert starting_range(choice("kind", "Kind", ("a", "b"), "", "", "b")) == ["b"]
    assert starting_range(switch("own", "Own", "", "", False)) == [False]


def test_a_setting_at_one_value_is_fixed_and_becomes_a_dimension_when_it_is_widened() -> None:
    space = with_mode(LAPTOP, OPTIONS[0], "on")
    first, second = searched_settings(OPTIONS[0])[:2]
    assert first.name in space.names
    assert second.name not in space.given  # it has its default
    wide = with_range(space, second, usual_values(second)[:2])
    assert wide.dimension(second.name) == whole_dimension(second)
    one = usual_values(second)[0]
    assert with_range(wide, second, [one]).base[second.name] == one != second.default
    assert with_range(wide, second, [second.default]) == space


def test_options_that_cannot_be_combined_are_refused_with_the_reason() -> None:
    pairs = [(kind, other) for kind in OPTIONS for other in OPTIONS if other.NAME in kind.CONFLICTS]
    assert pairs
    for kind, other in pairs:
        space = with_mode(LAPTOP, other, "on")
        with pytest.raises(InputError, match="can't be combined"):
            with_mode(space, kind, "on")
        assert mode_of(with_mode(space, kind, "both"), kind) == "both"


def test_a_setting_that_excludes_an_option_is_refused_while_that_is_on() -> None:
    space = with_mode(with_mode(LAPTOP, LayerSkip, "on"), EarlyExit, "on")
    choose = next(each for each in searched_settings(LayerSkip) if each.name.endswith("choose"))
    assert with_range(space, choose, ["first"]).base[choose.name] == "first"
    with pytest.raises(InputError, match="Layer skipping can't be combined with early exit"):
        with_range(space, choose, ["router"])
    routed = with_range(with_mode(LAPTOP, LayerSkip, "on"), choose, ["router"])
    with pytest.raises(InputError, match="can't be combined with layer skipping"):
        with_mode(routed, EarlyExit, "on")
    both = narrowed(with_mode(routed, EarlyExit, "both"))
    assert not any(each.inference.get(EarlyExit) for each in both.sample(50))
    # Where the choice is searched too, exits go with the fixed ones.
    either = with_range(space, choose, ["uniform", "router"])
    assert {each.inference.get(LayerSkip).choose for each in either.sample(200)} == {
        "uniform", "influence", "first", "last"
    }  # fmt: skip


def test_all_options_at_once_are_searched_with_and_without_each_other() -> None:
    space = LAPTOP
    for kind in OPTIONS:
        space = with_mode(space, kind, "both")
    table = narrowed(space).sample(2_000)
    for kind in OPTIONS:
        assert table[kind.NAME].sum() < len(table), kind.NAME
        # An option that excludes many others is in few of the combinations: ask for it.
        with_it = narrowed(space.fixed(kind.NAME, True)).sample(50)
        assert all(with_it.policy(row).get(kind) for row in range(50)), kind.NAME
    assert all(table.policy(row) for row in range(0, len(table), 97))  # no two that conflict


def test_a_setting_filters_only_candidates_whose_option_is_on() -> None:
    columns = {
        "early_exit": np.array([0, 1, 1]),
        "early_exit.threshold": np.array([0.5, 0.5, 0.9]),
        "early_exit.criterion": np.array([0, 0, 1]),
    }
    by_range = Filters(ranges={"early_exit.threshold": (0.8, 1.0)})
    by_choice = Filters(choices={"early_exit.criterion": [1]})
    assert passing(columns, by_range).tolist() == [True, False, True]
    assert passing(columns, by_choice).tolist() == [True, False, True]
