"""Where a trial comes from is stored with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasviz import Architecture, Candidate, Study
from nasviz.errors import InputError
from nasviz.space.kept import Kept
from nasviz.space.lineage import Lineage
from nasviz.space.pruning import Pruning
from nasviz.space.sparsity import Sparsity

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
    sparse = Lineage(parent_trial=0, sparsity=Sparsity("2:4", "magnitude"))
    assert "sparsity" not in given.to_json()
    for each in (given, sparse):
        assert Lineage.from_json(each.to_json()) == each
    assert (given.parent, str(other.lineage and other.lineage.parent)) == ("trial 0", "/a/folder")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "has one parent"),
        ({"parent_trial": 1, "parent_folder": "x"}, "has one parent"),
        ({"parent_trial": 1, "heal": "time"}, "unknown way of healing 'time'"),
        ({"parent_trial": 1, "sparsity": {"pattern": "3:2"}}, "of M weights N stay"),
        ({"parent_trial": 1, "sparsity": {"share": 1}}, "unknown sparsity setting 'share'"),
        ({"parent_trial": 1, "sparsity": "2:4"}, "sparsity is an object"),
        ({"parent_trial": 1, "sparsity": {}, "heal": "lora"}, "adapters would fill the zeros"),
        ({"parent": 1}, "unknown part of a lineage 'parent'"),
        ([], "a lineage is an object"),
    ],
)
def test_what_is_no_lineage_is_refused(data: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Lineage.from_json(data)


def test_parts_chosen_by_hand_are_stored_short_and_come_back_whole(tmp_path: Path) -> None:
    study = Study.open(tmp_path / "study.db")
    sizes = Architecture(3, 24, 4, 300, 64, n_kv_heads=2, d_ff=500, experts=2)
    kept = Kept.of(
        sizes, layers=(0, 2), heads=[(0, 1), (2, 3)],
        ff_units=[[tuple(range(250)), tuple(range(250, 500))]] * 2,
    )  # fmt: skip
    lineage = Lineage(parent_trial=0, kept=kept)
    number = study.add(Candidate(kept.architecture(sizes)), lineage=lineage).number
    assert study.trial(number).lineage == lineage
    said = lineage.to_json()["kept"]
    assert said["layers"] == "0,2"
    assert said["heads"] == ["0-1", "2-3"]
    assert said["ff_units"] == [["0-249", "250-499"]] * 2
    assert said["vocab_size"] == 300


@pytest.mark.parametrize(
    ("kept", "said"),
    [({"layers": "0-1-2"}, "are no runs"), ({"layers": "0"}, "lacks heads"), (3, "is an object")],
)
def test_kept_parts_that_are_none_are_refused(kept: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Lineage.from_json({"parent_trial": 0, "kept": kept})


def test_parts_chosen_by_hand_leave_a_method_nothing_to_choose() -> None:
    kept = Kept.of(Architecture(2, 24, 4, 300, 64))
    with pytest.raises(InputError, match="leaves pruning nothing to choose"):
        Lineage(parent_trial=0, pruning=Pruning(rounds=2), kept=kept)
