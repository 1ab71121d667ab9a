"""Where a trial comes from is stored with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasviz import Architecture, Candidate, Study
from nasviz.errors import InputError
from nasviz.space.lineage import Lineage
from nasviz.space.pruning import Pruning

SIZES = Candidate(Architecture(3, 22, 11, 257, 13))


def test_a_lineage_is_read_back_as_it_was_stored(tmp_path: Path) -> None:
    study = Study.open(tmp_path / "study.db")
    new = study.add(SIZES)
    given = Lineage(parent_trial=0, pruning=Pruning("taylor", "greedy", 3), heal="lora")
    child = study.add(SIZES, lineage=given)
    other = study.add(SIZES, lineage=Lineage(parent_folder="/a/folder"))
    assert [each.lineage for each in study.trials()] == [None, given, other.lineage]
    assert new.lineage is None
    assert "lineage" not in new.to_json()
    assert child.to_json()["lineage"] == given.to_json()
    assert Lineage.from_json(given.to_json()) == given
    assert (given.parent, str(other.lineage and other.lineage.parent)) == ("trial 0", "/a/folder")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "has one parent"),
        ({"parent_trial": 1, "parent_folder": "x"}, "has one parent"),
        ({"parent_trial": 1, "heal": "time"}, "unknown way of healing 'time'"),
        ({"parent": 1}, "unknown part of a lineage 'parent'"),
        ([], "a lineage is an object"),
    ],
)
def test_what_is_no_lineage_is_refused(data: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Lineage.from_json(data)
