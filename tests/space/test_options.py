"""Every dynamic-inference option as data: catalogue, JSON, fit, neutral settings."""

from __future__ import annotations

from dataclasses import fields

import pytest

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.fields import FIELDS
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS

EVERY = pytest.mark.parametrize("option", OPTIONS, ids=lambda each: each.NAME)
SIZES = Architecture(8, 64, 4, 256, 64)


@EVERY
def test_an_option_describes_each_of_its_settings_once(option: type[Option]) -> None:
    assert [each.name for each in option.FIELDS] == [each.name for each in fields(option)]
    for field in option.FIELDS:
        assert field.help.endswith(".")
        assert field.reference
        default = getattr(option(), field.name)
        assert default == (() if field.is_list else field.default)


@EVERY
def test_an_option_s_switch_and_settings_are_in_the_catalogue(option: type[Option]) -> None:
    assert FIELDS[option.NAME].kind == "switch"
    assert FIELDS[option.NAME].help == option.HELP
    for field in option.FIELDS:
        assert FIELDS[f"{option.NAME}.{field.name}"].help == field.help


@EVERY
@pytest.mark.parametrize("make", [lambda kind: kind(), lambda kind: kind.neutral()])
def test_a_policy_goes_to_json_and_back(option: type[Option], make: object) -> None:
    policy = InferencePolicy((make(option),))  # type: ignore[operator]
    assert InferencePolicy.from_json(policy.to_json()) == policy
    assert list(policy.to_json()) == [option.NAME]


@EVERY
def test_wrong_settings_are_refused_by_name(option: type[Option]) -> None:
    with pytest.raises(InputError, match=f"unknown setting of {option.NAME}"):
        option.from_json({"nonsense": 1})
    with pytest.raises(InputError, match=f"{option.NAME} is an object of settings"):
        option.from_json(3)
    for field in option.FIELDS:
        with pytest.raises(InputError, match=rf"{option.NAME}\.{field.name}"):
            option.from_json({field.name: "nonsense"})


@EVERY
def test_conflicts_are_refused_with_their_reason(option: type[Option]) -> None:
    others = {each.NAME: each for each in OPTIONS}
    for name, reason in option.CONFLICTS.items():
        with pytest.raises(InputError, match="can't be combined") as caught:
            InferencePolicy((option(), others[name]()))
        assert reason in str(caught.value)


def test_a_policy_holds_each_kind_once() -> None:
    with pytest.raises(InputError, match="early_exit twice"):
        InferencePolicy((EarlyExit(), EarlyExit(threshold=0.5)))
    changed = InferencePolicy((EarlyExit(),)).with_(EarlyExit(threshold=0.5))
    assert changed.get(EarlyExit) == EarlyExit(threshold=0.5)
    assert not changed.without(EarlyExit)


def test_exits_stand_below_the_last_layer() -> None:
    assert EarlyExit(first=2, every=3).exits(12) == (2, 5, 8, 11)
    assert EarlyExit(layers=(1, 4)).exits(6) == (1, 4)
    with pytest.raises(InputError, match=r"n_layers=8, early_exit\.first=8: .* lower"):
        Candidate(SIZES, InferencePolicy((EarlyExit(first=8),)))
    with pytest.raises(InputError, match="leave out those from 8 up"):
        Candidate(SIZES, InferencePolicy((EarlyExit(layers=(2, 8)),)))
    with pytest.raises(InputError, match="rising order"):
        EarlyExit(layers=(4, 2))
    with pytest.raises(InputError, match="7 exits in 8 layers and 2 thresholds"):
        Candidate(SIZES, InferencePolicy((EarlyExit(thresholds=(0.5, 0.6)),)))
