from __future__ import annotations

import json

import numpy as np
import pytest

from nasviz.cost.chunks import CHUNK, in_chunks
from nasviz.cost.columns import COST_COLUMNS, cost_column, cost_columns
from nasviz.cost.estimate import Cost, estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.space import presets
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import CandidateTable


def test_every_column_of_a_table_is_that_of_its_rows(random_architectures) -> None:
    architectures = random_architectures(53, seed=31)
    workload = Workload(prompt_tokens=7, generated_tokens=5, batch=3, precision="bf16")
    found = cost_columns(workload)(CandidateTable.of(architectures))
    assert tuple(found) == tuple(COST_COLUMNS)
    for row, architecture in enumerate(architectures):
        cost = estimate(architecture, workload)
        for name, column in COST_COLUMNS.items():
            assert found[name][row] == pytest.approx(column.of(cost), rel=1e-12), name


def test_a_table_of_many_chunks_is_no_different_from_its_parts() -> None:
    table = SearchSpace.laptop().sample(2 * CHUNK + 17, seed=5)
    whole = cost_columns()(table)
    part = cost_columns()(table.take(np.arange(CHUNK - 3, CHUNK + 5)))
    for name, column in part.items():
        assert np.array_equal(whole[name][CHUNK - 3 : CHUNK + 5], column), name
    lazy = estimate(table)
    assert np.array_equal(lazy.latency.time_per_output_token_s, whole["time_per_output_token_s"])
    assert np.array_equal(lazy.parameters.total, whole["parameters_total"])


def test_only_the_named_columns_are_computed() -> None:
    table = SearchSpace.laptop().sample(11, seed=6)
    assert list(cost_columns(names=["energy_j", "parameters_total"])(table)) == [
        "energy_j",
        "parameters_total",
    ]
    with pytest.raises(InputError, match="did you mean 'time_per_output_token_s'"):
        cost_column("time_per_token_s")


def test_every_column_says_what_it_is() -> None:
    for name, column in COST_COLUMNS.items():
        assert column.name == name
        assert column.label
        assert column.help.endswith(".")
        suffixes = {"B": "bytes", "s": "_s", "J": "_j", "FLOP": "flops"}
        if column.unit in suffixes:
            assert suffixes[column.unit] in name


def test_an_error_in_one_chunk_reaches_the_caller() -> None:
    def fail(start: int, stop: int) -> None:
        if start:
            raise ValueError(f"rows {start} to {stop}")

    with pytest.raises(ValueError, match=f"rows {CHUNK} to {CHUNK + 1}"):
        in_chunks(fail, CHUNK + 1)


def test_the_json_of_a_cost_has_the_documented_keys_and_plain_numbers() -> None:
    data = json.loads(json.dumps(estimate(presets.named("gpt2"), Workload()).to_json()))
    assert data["parameters"]["total"] == 124_439_808
    assert {"prefill", "decode_per_token", "training_per_token"} <= set(data["flops"])
    assert {"weights_bytes", "kv_cache_bytes_per_token"} <= set(data["memory"])
    assert {"time_to_first_token_s", "time_per_output_token_s"} <= set(data["latency"])
    assert data["energy_j"] > 0


def test_a_cost_of_many_candidates_is_not_one_candidates_json() -> None:
    with pytest.raises(InputError, match="take a row"):
        estimate(SearchSpace.laptop().sample(3, seed=1)).to_json()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: estimate("gpt2"),
        lambda: estimate(presets.named("gpt2"), {"batch": 3}),
        lambda: estimate(presets.named("gpt2"), Workload(), "h100-sxm"),
    ],
)
def test_what_is_no_candidate_workload_or_hardware_is_refused(wrong) -> None:
    with pytest.raises(InputError):
        wrong()


WRONG = [
    ("prompt_tokens", 0), ("prompt_tokens", -3), ("prompt_tokens", 2.5), ("prompt_tokens", True),
    ("prompt_tokens", float("nan")), ("prompt_tokens", 10**30), ("batch", "many"), ("batch", None),
    ("generated_tokens", float("inf")), ("precision", "fp64"), ("precision", 16),
    ("requests", -1), ("training_tokens", 0), ("target_loss", float("nan")), ("zero_stage", 4),
    ("devices", 0), ("optimizer", "sgd"), ("activation_checkpointing", "yes"),
    ("tokens_per_parameter", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_workloads_are_refused_with_the_value_and_its_place(name: str, value) -> None:
    with pytest.raises(InputError, match=name):
        Workload(**{name: value})


def test_a_workload_survives_json_and_refuses_unknown_keys() -> None:
    workload = Workload(prompt_tokens=np.int64(7), batch=3, target_loss=2.5)
    assert Workload.from_json(json.loads(json.dumps(workload.to_json()))) == workload
    with pytest.raises(InputError, match="did you mean 'batch'"):
        Workload.from_json({"batches": 3})


def test_costs_are_computed_when_they_are_asked_for() -> None:
    cost = Cost(presets.named("gpt2"), Workload(), Hardware.named("t4"))
    assert "parameters" not in vars(cost)
    assert cost.parameters is cost.parameters


def test_a_table_of_no_candidates_costs_nothing() -> None:
    none = SearchSpace.laptop().sample(3, seed=1).take(np.arange(0))
    assert {len(column) for column in cost_columns()(none).values()} == {0}
    assert len(estimate(none).latency.time_to_first_token_s) == 0
