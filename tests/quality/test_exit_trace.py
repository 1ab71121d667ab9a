"""A trace is checked when it is made, and is on the disk what it was in memory."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exit_traces import random_trace

from nasviz.errors import InputError
from nasviz.quality.bits import bits_per_byte
from nasviz.quality.exit_trace import ExitTrace
from nasviz.quality.exit_trace_file import load_exit_trace, save_exit_trace


def assert_same(one: ExitTrace, other: ExitTrace) -> None:
    for field in fields(ExitTrace):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name == "confidence":
            assert list(ours) == list(theirs)
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
        elif isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype
            assert np.array_equal(ours, theirs)
        else:
            assert ours == theirs


def test_a_trace_goes_to_the_disk_and_back(tmp_path: Path) -> None:
    trace = random_trace()
    path = tmp_path / "any name at all"
    save_exit_trace(trace, path)
    assert_same(load_exit_trace(path), trace)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_kept_numbers_give_the_bits_per_byte_of_exact_ones() -> None:
    draw = np.random.default_rng(3)
    exact = -draw.exponential(2.0, (50_021, 3))
    trace = random_trace(50_021, 2, log_probability=exact)
    kept = -trace.log_probability.sum(axis=0, dtype=np.float64)
    difference = bits_per_byte(kept, trace.n_bytes) - bits_per_byte(
        -exact.sum(axis=0), trace.n_bytes
    )
    assert abs(difference).max() < 1e-5


def test_a_trace_can_not_be_written_to() -> None:
    given = np.zeros(211)
    trace = random_trace(position=given)
    with pytest.raises(ValueError, match="read-only"):
        trace.log_probability[0, 0] = 0
    given[0] = 1  # and what it was made of still can


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layers": (1, 3, 2, 9)}, "layers=[1, 3, 2, 9]: an exit trace needs"),
        ({"layers": (9,)}, "layers=[9]: an exit trace needs"),
        ({"layers": (1, 9)}, "log_probability of the exit trace has shape (211, 4) instead of"),
        ({"window": np.zeros(7)}, "window of the exit trace has shape (7,) instead of (211,)"),
        ({"log_probability": np.full((211, 4), np.nan)}, "log_probability of the exit trace holds"),
        ({"log_probability": np.ones((211, 4))}, "reaches from 1 to 1; its range is -inf to 0.001"),
        ({"confidence": {"margin": np.full((211, 3), 1.5)}}, "confidence['margin'] of the exit"),
        ({"confidence": {"margn": np.zeros((211, 3))}}, "did you mean 'margin'?"),
        ({"confidence": {"gate": np.zeros((211, 4))}}, "confidence['gate'] of the exit trace has"),
        ({"token_bytes": np.zeros(211)}, "token_bytes of the exit trace reaches from 0 to 0"),
        ({"position": np.full(211, 13)}, "position of the exit trace reaches from 13 to 13"),
        ({"target": np.zeros(0), "token_bytes": [], "position": [], "window": []}, "score more"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        random_trace(**change)
    assert told in str(error.value)


def test_rightness_and_agreement_are_read_from_what_was_said() -> None:
    trace = random_trace()
    row = 17
    said, true = trace.likeliest[row].tolist(), int(trace.target[row])
    assert trace.correct[row].tolist() == [each == true for each in said]
    assert trace.agrees[row].tolist() == [each == said[-1] for each in said]
    assert trace.agrees[:, -1].all()


def test_fewer_exits_are_the_same_measurement_with_patience_counted_anew() -> None:
    trace = random_trace(n_exits=5)
    chosen = trace.layers[1], trace.layers[4]
    fewer = trace.with_exits(chosen)
    assert fewer.layers == (*chosen, trace.layers[-1])
    assert np.array_equal(fewer.score("margin"), trace.score("margin")[:, [1, 4]])
    assert np.array_equal(fewer.log_probability, trace.log_probability[:, [1, 4, 5]])
    same = trace.likeliest[:, 1] == trace.likeliest[:, 4]
    assert fewer.score("patience")[:, 1].tolist() == np.where(same, 1.0, 0.5).tolist()
    with pytest.raises(InputError, match="unknown criterion of this exit trace 'saturation'"):
        fewer.score("saturation")
    with pytest.raises(InputError, match="no exit was measured after 99 layers; measured: "):
        trace.with_exits((99,))


def damaged(kind: str, path: Path) -> None:
    """Write a file that is no trace, in one of many ways."""
    save_exit_trace(random_trace(), path)
    whole = path.read_bytes()
    with np.load(path) as found:
        arrays = dict(found)
    about = json.loads(str(arrays["about"]))
    if kind == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "flipped":
        middle = len(whole) // 3
        path.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "pickle":
        np.savez(path, **arrays | {"target": np.array([{}], dtype=object)})
    elif kind == "lacking":
        np.savez(path, **{name: array for name, array in arrays.items() if name != "window"})
    elif kind == "text":
        np.savez(path, **arrays | {"about": np.array("layers: 3")})
    elif kind == "list":
        np.savez(path, **arrays | {"about": np.array("[1, 2]")})
    elif kind == "later":
        np.savez(path, **arrays | {"about": np.array(json.dumps(about | {"format": 2}))})
    elif kind == "shape":
        np.savez(path, **arrays | {"window": arrays["window"][1:]})


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("cut", "is no exit trace, or a damaged one"),
        ("flipped", "is no exit trace, or a damaged one"),
        ("empty", "it is no .npz file"),
        ("array", "it is no .npz file"),
        ("pickle", "is no exit trace, or a damaged one"),
        ("lacking", "is no exit trace: it lacks 'window'"),
        ("text", "is no exit trace: Expecting value"),
        ("list", "is no exit trace: list indices"),
        ("later", "its format is 2, and this nasviz reads 1"),
        ("shape", "window of the exit trace has shape (210,) instead of (211,)"),
    ],
)
def test_a_file_that_holds_no_trace_is_named(kind: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "exits.npz"
    damaged(kind, path)
    with pytest.raises(InputError) as error:
        load_exit_trace(path)
    assert str(error.value).startswith(str(path))
    assert told in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.npz: No such file"):
        load_exit_trace(tmp_path / "nowhere.npz")
