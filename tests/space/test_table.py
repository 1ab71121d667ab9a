"""Tables of candidates: columns in, candidates out, and back."""

from __future__ import annotations

import numpy as np
import pytest

from nasviz.errors import InputError
from nasviz.space import presets
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.table import CandidateTable, choice_code


def columns() -> dict[str, object]:
    return {
        "n_layers": [2, 3, 5],
        "d_model": [28, 42, 66],
        "n_heads": [7, 7, 11],
        "vocab_size": 257,
        "context_length": 61,
    }


def test_a_table_of_candidates_gives_the_same_candidates_back() -> None:
    candidates = [Candidate(presets.named(name)) for name in presets.NAMES]
    assert list(CandidateTable.of(candidates)) == candidates


def test_derived_columns_agree_with_architectures() -> None:
    table = CandidateTable.from_columns({**columns(), "mlp": ["gelu", "swiglu", "relu2"]})
    for index in range(3):
        mlp = ("gelu", "swiglu", "relu2")[index]
        sizes = Architecture((2, 3, 5)[index], (28, 42, 66)[index], (7, 7, 11)[index], 257, 61,
                             mlp=mlp)  # fmt: skip
        assert table.row(index).architecture == sizes


def test_shared_values_stay_compact_but_read_as_whole_columns() -> None:
    table = CandidateTable.from_columns(columns())
    assert table.columns["vocab_size"].shape == (1,)
    assert table["vocab_size"].tolist() == [257, 257, 257]
    assert len(table) == 3


def test_choices_are_stored_as_codes_and_read_by_name() -> None:
    table = CandidateTable.from_columns({**columns(), "position": ["rope", "none", "learned"]})
    assert table["position"][1] == choice_code("position", "none")
    assert table.decoded("position") == ["rope", "none", "learned"]
    assert table.decoded("qk_norm") == [True, True, True]


def test_rows_can_be_taken_by_index_and_by_mask() -> None:
    table = CandidateTable.from_columns(columns())
    assert table.take([2, 0])["n_layers"].tolist() == [5, 2]
    assert table.take(np.array([False, True, False]))["d_model"].tolist() == [42]


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"the mask has shape \(2,\); this table needs \(3,\)"):
        CandidateTable.from_columns(columns()).take(np.ones(2, dtype=bool))


def test_tables_are_joined_in_order() -> None:
    table = CandidateTable.from_columns(columns())
    joined = CandidateTable.concatenate([table, table.take([0])])
    assert joined["n_layers"].tolist() == [2, 3, 5, 2]


def test_training_settings_ride_along() -> None:
    table = CandidateTable.from_columns({**columns(), "learning_rate": [0.1, 0.2, 0.3]})
    assert table.training_settings(1) == {"learning_rate": 0.2}
    assert table.row(1).architecture.n_layers == 3


def test_an_empty_table_is_a_table() -> None:
    empty = CandidateTable.of([])
    assert len(empty) == 0
    assert list(empty) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"n_layer": 2}, "unknown field 'n_layer'; did you mean 'n_layers'"),
        ({"d_model": [28, 42]}, "columns of unequal length: [2, 3]"),
        ({"mlp": ["gelu", "gegelu", "relu"]}, "unknown mlp 'gegelu'; did you mean 'geglu'"),
        ({"mlp": [0, 5, 1]}, "mlp=5 is no code; allowed: 0 to 4"),
        ({"mlp": -1}, "mlp=-1 is no code"),
        ({"mlp": ["gelu", None, "relu"]}, "mlp=None is not one of"),
        ({"d_model": [28, 42.5, 66]}, "d_model=42.5 is not a whole number"),
        ({"d_model": [28, float("nan"), 66]}, "d_model=nan is not a whole number"),
        ({"d_model": [28, -42, 66]}, "d_model=-42 is out of range"),
        ({"n_heads": [7, 0, 11]}, "n_heads=0 is out of range"),
        ({"n_layers": 10**30}, "is out of range"),
        ({"n_layers": [2, None, 5]}, "n_layers=None is not a whole number"),
        ({"n_layers": ["2", "3", "5"]}, "n_layers='2' is not a whole number"),
        ({"n_layers": [[2], [3], [5]]}, "n_layers has shape (3, 1); a column is one-dimensional"),
        ({"tied_embeddings": 2}, "tied_embeddings=2 is not true or false"),
        ({"dropout": float("inf")}, "dropout=inf is not a number"),
    ],
)
def test_wrong_columns_are_named(changes: dict[str, object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        CandidateTable.from_columns({**columns(), **changes})
    assert text in str(caught.value)


def test_missing_columns_are_named() -> None:
    with pytest.raises(InputError, match="the table lacks vocab_size, context_length"):
        CandidateTable.from_columns({"n_layers": 1, "d_model": 4, "n_heads": 2})


def test_a_missing_column_and_a_missing_row_are_errors() -> None:
    table = CandidateTable.from_columns(columns())
    with pytest.raises(InputError, match="this table has no column 'learning_rate'"):
        table["learning_rate"]
    with pytest.raises(IndexError):
        table.row(3)
