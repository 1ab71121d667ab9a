"""A workload is checked by the catalogue of its settings: each refuses what it can't be."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from nasviz import Workload
from nasviz.cost.workload_fields import WORKLOAD_FIELDS
from nasviz.errors import InputError
from nasviz.space.field import Field


def wrong_values(field: Field) -> list[Any]:
    if field.kind == "choice":
        return ["", 1, True, [], "fp33"]
    if field.kind == "switch":
        return [1, "true", []]
    assert field.low is not None
    assert field.high is not None
    beyond = [field.low - 1, field.high * 2 + 1]
    return ["12", True, [], float("nan"), float("inf"), *beyond]


WRONG = [(field.name, value) for field in WORKLOAD_FIELDS.values() for value in wrong_values(field)]


def test_the_catalogue_has_every_setting_with_its_default() -> None:
    assert {name: field.default for name, field in WORKLOAD_FIELDS.items()} == {
        field.name: field.default for field in fields(Workload)
    }


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda each: str(each)[:20])
def test_every_setting_refuses_its_wrong_values_by_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        Workload(**{name: value})


def test_a_workload_survives_its_json() -> None:
    workload = Workload(prompt_tokens=101, precision="int4", requests=7, zero_stage=3, devices=3)
    assert Workload.from_json(workload.to_json()) == workload
