"""Options of inference as dimensions: each candidate once, and only settings that fit."""

from __future__ import annotations

import numpy as np
import pytest

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import CandidateTable

BASE = {"d_model": 64, "n_heads": 4, "vocab_size": 256, "context_length": 64}
SPACE = SearchSpace(
    (
        Integer("n_layers", 1, 4),
        Choice("early_exit", (False, True)),
        Real("early_exit.threshold", 0.5, 1.0, step=0.1),
        Integer("early_exit.first", 1, 3),
        Choice("early_exit.criterion", ("entropy", "margin")),
    ),
    base=BASE,
)


def test_each_candidate_is_counted_and_enumerated_once() -> None:
    # Static: 4. With exits: first < n_layers leaves 0 + 1 + 2 + 3 pairs, 6 thresholds, 2 criteria.
    expected = 4 + 6 * 6 * 2
    count = SPACE.count()
    assert (count.feasible, count.exact) == (expected, True)
    assert "the first exit stands above the last layer; lower early_exit.first" in count.excluded
    table = SPACE.enumerate()
    candidates = list(table)
    assert len({each.digest for each in candidates}) == len(candidates) == expected


def test_samples_are_uniform_over_candidates_and_in_the_space() -> None:
    table = SPACE.sample(7_600, seed=3)
    assert SPACE.contains(table).all()
    static = [not row.inference for row in table]
    assert np.mean(static) == pytest.approx(4 / 76, abs=0.01)


def test_children_and_neighbours_stay_in_the_space() -> None:
    table = SPACE.sample(500, seed=1)
    mates = SPACE.sample(500, seed=2)
    assert SPACE.contains(SPACE.mutate(table, seed=5)).all()
    assert SPACE.contains(SPACE.crossover(table, mates, seed=5)).all()
    exits = CandidateTable.of(
        [Candidate(Architecture(3, **BASE), InferencePolicy((EarlyExit(criterion="entropy"),)))]
    )
    around = SPACE.neighbours(exits)
    assert SPACE.contains(around).all()
    assert [row.inference for row in around].count(InferencePolicy()) == 1


def test_vectors_come_back_as_the_same_candidates() -> None:
    table = SPACE.sample(300, seed=4)
    again = SPACE.decode(SPACE.encode(table))
    assert list(again) == list(table)


def test_a_static_candidate_has_a_place_in_the_space_and_a_foreign_policy_has_none() -> None:
    static = CandidateTable.of([Architecture(3, **BASE)])
    assert SPACE.contains(static).all()
    sizes = SearchSpace((Integer("n_layers", 1, 4),), base=BASE)
    dynamic = [Candidate(Architecture(3, **BASE), InferencePolicy((EarlyExit(),)))]
    assert not sizes.contains(CandidateTable.of(dynamic)).any()
    assert sizes.contains(static).all()


def test_an_option_can_be_fixed_in_the_base() -> None:
    space = SearchSpace(
        (Integer("n_layers", 2, 4), Real("early_exit.threshold", 0.5, 0.9)),
        base={**BASE, "early_exit": True, "early_exit.criterion": "gate"},
    )
    row = space.sample(1, seed=0).row(0)
    option = row.inference.get(EarlyExit)
    assert option is not None
    assert option.criterion == "gate"
    assert 0.5 <= option.threshold <= 0.9


def test_settings_without_their_switch_are_refused() -> None:
    with pytest.raises(InputError, match=r"sets early_exit\.threshold but not early_exit"):
        SearchSpace((Real("early_exit.threshold", 0.5, 0.9),), base={**BASE, "n_layers": 3})


def test_a_space_with_options_goes_to_json_and_toml_and_back() -> None:
    assert SearchSpace.from_json(SPACE.to_json()) == SPACE
    from nasviz.space.toml import parse

    assert SearchSpace.from_json(parse(SPACE.to_toml())) == SPACE


def test_tables_of_static_and_dynamic_candidates_can_be_joined_and_read_back() -> None:
    exits = EarlyExit(thresholds=(0.5, 0.7), layers=(1, 2))
    rows = [
        Candidate(Architecture(3, **BASE)),
        Candidate(Architecture(3, **BASE), InferencePolicy((exits,))),
    ]
    table = CandidateTable.of(rows)
    assert list(table) == rows
    parts = [CandidateTable.of([row]) for row in rows]
    assert list(CandidateTable.concatenate(parts)) == rows
    assert list(table.take([1, 0])) == rows[::-1]


def test_exits_stand_in_the_layers_that_run() -> None:
    space = SearchSpace(
        (
            Choice("layer_skip", (False, True)),
            Real("layer_skip.keep", 0.25, 1.0, step=0.25),
            Integer("early_exit.first", 1, 7),
        ),
        base={**BASE, "n_layers": 8, "early_exit": True},
    )
    # 8, 2, 4, 6 and 8 layers run; exits stand below the last of them.
    assert space.count().feasible == 7 + 1 + 3 + 5 + 7
    assert len(list(space.enumerate())) == 23
