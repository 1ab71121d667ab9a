"""Which sizes a limit leaves of a parent."""

from __future__ import annotations

import json

import pytest

from nasviz import Architecture
from nasviz.cli import main
from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.execution.prune_target import fewer_layers, most_parameters, most_time_per_token
from nasviz.model.export.choice import is_exportable
from nasviz.space import presets
from nasviz.space.importance import MEASURED, check_reachable
from nasviz.space.pruning import METHODS, Pruning, by_method

PARENT = Architecture(8, 128, 8, 1024, 256, n_kv_heads=4)


def anything(sizes: Architecture) -> bool:
    return True


def weights(sizes: Architecture) -> float:
    return float(estimate(sizes).parameters.total)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.25, 0.1])
def test_the_largest_sizes_that_fit_are_reachable_and_use_the_limit(share: float) -> None:
    limit = share * weights(PARENT)
    found = most_parameters(PARENT, limit, anything)
    check_reachable(PARENT, found)
    assert 0.95 * limit < weights(found) <= limit
    kept = {name: getattr(found, name) / getattr(PARENT, name) for name in MEASURED}
    assert min(kept.values()) > 0.5 * share, f"no size is cut to the bone: {kept}"


def test_a_limit_that_the_parent_meets_leaves_it_whole() -> None:
    assert most_parameters(PARENT, 10 * weights(PARENT), anything) == PARENT


def test_a_token_takes_no_longer_than_the_limit() -> None:
    def seconds(sizes: Architecture) -> float:
        return float(estimate(sizes).latency.time_per_output_token_s)

    found = most_time_per_token(PARENT, 0.5 * seconds(PARENT), anything)
    check_reachable(PARENT, found)
    assert seconds(found) <= 0.5 * seconds(PARENT)
    assert found != PARENT


def test_children_of_gpt2_are_gpt2_where_that_is_asked_for() -> None:
    parent = presets.named("gpt2")
    found = most_parameters(parent, 90e6, is_exportable)
    assert is_exportable(found)
    assert found.n_heads * found.head_dim == found.d_model < parent.d_model


@pytest.mark.parametrize(
    ("limit", "said"),
    [(1, "can't be reached: the smallest that pruning leaves of this parent has"),
     (0, "no positive number"), (float("nan"), "no positive number"), (-3, "no positive number"),
     (float("inf"), "no positive number")],
)  # fmt: skip
def test_a_limit_out_of_reach_is_refused(limit: float, said: str) -> None:
    with pytest.raises(InputError, match=said):
        most_parameters(PARENT, limit, anything)
    with pytest.raises(InputError, match=said):
        most_time_per_token(PARENT, limit * 1e-12, anything)


def test_layers_that_are_not_there_are_not_kept() -> None:
    assert fewer_layers(PARENT, 3).n_layers == 3
    for n_layers in (0, 9):
        with pytest.raises(InputError, match=f"n_layers={n_layers} can't be kept"):
            fewer_layers(PARENT, n_layers)


def test_a_method_is_named_for_parts_and_for_layers() -> None:
    assert by_method("greedy", rounds=2) == Pruning("activation", "greedy", 2)
    assert by_method("taylor") == Pruning("taylor", "taylor")
    assert by_method("activation") == Pruning()
    for method in METHODS:
        by_method(method)
    with pytest.raises(InputError, match="unknown importance 'tailor'; did you mean 'taylor'"):
        by_method("tailor")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0", "--keep-layers", "1"], "there is no study at"),
        (["absent", "--keep-layers", "1"], "there is no folder"),
        ([".", "--keep-layers", "1"], "neither architecture.json nor a config.json"),
        ([".", "--keep-layers", "1", "--importance", "luck"], "unknown importance 'luck'"),
        ([".", "--keep-layers", "1", "--rounds", "0"], "rounds=0 is out of range"),
        ([".", "--keep-layers", "1", "--heal", "none", "--steps", "9"], "heals nothing; drop one"),
        (["."], "say what is left: --keep-layers, --architecture"),
        ([".", "--keep-layers", "1", "--max-parameters", "9"], "each say what pruning leaves"),
        (["export", "--per-layer", "--keep-layers", "1"], "and --keep-layers says them; drop one"),
        (["export", "--per-layer", "--max-memory", "9", "--importance", "greedy"], "scores them"),
        (["export", "--per-layer"], "within limits; give one of --max-parameters"),
        (["export", "--keep-layers", "1", "--replacements", "quarters"], "of --per-layer; give"),
        (["export", "--per-layer", "both", "--max-memory", "9"], "invalid choice: 'both'"),
        (["export", "--per-layer", "--max-memory", "-9"], "max_memory_bytes=-9.0 is no positive"),
        (["export", "--per-layer", "--max-parameters", "10"], "can't be reached: the smallest"),
        (["export", "--max-memory", "10"], "can't be reached"),
        (["export", "--keep-layers", "9"], "n_layers=9 can't be kept: the parent has 2"),
        (["export", "--max-parameters", "10"], "can't be reached"),
        (["export", "--architecture", "gpt2"], "can't be reached: the parent has"),
        (["export", "--keep-layers", "1", "--heal", "rest"], "unknown way of healing 'rest'"),
        (["pickled", "--keep-layers", "1"], "is a pickle, which can run any program"),
    ],
)
def test_wrong_words_are_exit_code_2_and_store_nothing(
    words: list[str], said: str, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    llama = {"model_type": "llama", "vocab_size": 256, "hidden_size": 24, "num_hidden_layers": 2,
             "num_attention_heads": 2, "intermediate_size": 64,
             "max_position_embeddings": 13}  # fmt: skip
    for name, weights in (("export", "model.safetensors"), ("pickled", "pytorch_model.bin")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(llama))
        (tmp_path / name / weights).write_bytes(b"\x80\x04nothing")
    assert main(["prune", *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "nasviz.db").exists()
