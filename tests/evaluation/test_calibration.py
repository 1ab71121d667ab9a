from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from nasviz.cost.estimate import estimate
from nasviz.cost.grid import Curve, Grid
from nasviz.cost.hardware import Hardware
from nasviz.cost.measured import OVERHEADS, STREAMS, Factors, Measured, MeasuredRates
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.evaluation.factors import fitted
from nasviz.evaluation.latency import measure
from nasviz.evaluation.operations import streams
from nasviz.evaluation.stopwatch import Stopwatch, torch_threads
from nasviz.space.architecture import Architecture
from nasviz.space.table import CandidateTable

SMALL = Architecture(2, 48, 3, 257, 31, d_ff=101)


def rates(**changes: object) -> MeasuredRates:
    """Made-up rates: a nanosecond a multiply-add warm and two cold, and so on."""
    nodes, columns = (1.0, 7.0, 131.0), (16.0, 1024.0, 65536.0)
    grid = Grid(nodes, columns, tuple(tuple(r * c * 1e-9 for c in columns) for r in nodes))
    cold = Grid(nodes, columns, tuple(tuple(r * c * 2e-9 for c in columns) for r in nodes))
    values = {
        "matmul_hot": grid,
        "matmul_cold": cold,
        "cold_share": Curve((0.0, 1e6), (0.0, 1.0)),
        "prefill_attention": grid,
        "decode_attention": grid,
        "decode_query": grid,
        "decode_fixed_s": 3e-6,
        "streams": {name: Curve((0.0, 100.0), (1e-6, 2e-6)) for name in STREAMS},
        "overheads_s": dict.fromkeys(OVERHEADS, 1e-5),
    }
    return MeasuredRates(**{**values, **changes})


def machine(**changes: object) -> Hardware:
    plain = Hardware.named("laptop-cpu")
    measured = Measured("0", "cpu", "2", 1, "2026-01-01", {"fp32": rates(**changes)})
    return Hardware.from_json({**plain.to_json(), "measured": measured.to_json()})


def test_grids_are_linear_between_nodes_and_beyond_them() -> None:
    """A product is bilinear, so that a grid of it is exact everywhere from its first nodes on."""
    grid = rates().matmul_hot
    for row, column in ((1, 16), (3, 1024), (7, 5000), (1000, 10**6)):
        assert grid.at(row, column) == pytest.approx(row * column * 1e-9)
    rows, columns = np.array([2.0, 8.0, 500.0]), np.array([17.0, 65536.0, 1e6])
    assert np.allclose(grid.at(rows, columns), rows * columns * 1e-9)


def test_a_calibrated_machine_survives_json() -> None:
    hardware = machine(prefill_factors=Factors(1.5, 2, 1, 0.5, 1e-4))
    again = Hardware.from_json(json.loads(json.dumps(hardware.to_json())))
    assert again == hardware
    assert again.measured is not None
    assert again.measured.rates["fp32"].prefill_factors.products == 1.5


def test_a_table_on_a_calibrated_machine_is_its_rows() -> None:
    rows = [
        SMALL.with_(n_layers=n, context_length=11 + 7 * n, experts=1 + n % 3) for n in (1, 2, 5)
    ]
    workload = Workload(prompt_tokens=23, generated_tokens=3)
    table = estimate(CandidateTable.of(rows), workload, machine()).latency
    for row, architecture in enumerate(rows):
        one = estimate(architecture, workload, machine()).latency
        assert table.time_to_first_token_s[row] == pytest.approx(one.time_to_first_token_s)
        assert table.time_per_output_token_s[row] == pytest.approx(one.time_per_output_token_s)


def test_weights_that_no_cache_holds_take_longer() -> None:
    warm = machine(cold_share=Curve((0.0, 1.0), (0.0, 0.0)))
    cold = machine(cold_share=Curve((0.0, 1.0), (1.0, 1.0)))
    one, two = (estimate(SMALL, Workload(), each).latency.decode_parts for each in (warm, cold))
    assert two.feed_forward_s == pytest.approx(2 * one.feed_forward_s)
    assert two.scores_s == one.scores_s


def test_fitted_factors_explain_the_measurements_that_they_were_fitted_to() -> None:
    rng = np.random.default_rng(7)
    seconds = 10 ** rng.uniform(-4, -2, (200, 4))
    measured = seconds @ np.array([1.5, 0.7, 2.0, 1.2]) + 2e-4
    found = fitted(seconds, measured)
    kinds = np.array([found.products, found.attention, found.streams, found.overhead])
    error = np.abs((seconds @ kinds + found.pass_s) / measured - 1)
    assert np.median(error) < 0.05
    assert found.products == pytest.approx(1.5, rel=0.1)
    assert found.attention < 0.9
    assert found.streams > 1.7


def test_without_measurements_to_the_contrary_factors_stay_at_one() -> None:
    seconds = np.full((11, 4), 1e-3)
    found = fitted(seconds, np.full(11, 4e-3))
    assert tuple(vars(found).values()) == pytest.approx((1.0, 1.0, 1.0, 1.0, 0.0), abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"streams": {"rms_norm": Curve((0.0, 1.0), (0.0, 1.0))}}, "lack stream"),
        ({"overheads_s": {**dict.fromkeys(OVERHEADS, 0.0), "layr": 1.0}}, "did you mean 'layer'"),
        ({"overheads_s": {**dict.fromkeys(OVERHEADS, 0.0), "layer": -1.0}}, "-1.0 is not"),
    ],
)
def test_rates_that_lack_or_misname_something_are_refused(changes, message) -> None:
    with pytest.raises(InputError, match=message):
        rates(**changes)


@pytest.mark.parametrize("nodes", [(3.0, 2.0), (1.0, 1.0), (1.0,), (float("nan"), 2.0)])
def test_nodes_must_ascend(nodes) -> None:
    with pytest.raises(InputError):
        Curve(nodes, tuple(1.0 for _ in nodes))


def test_every_stream_is_measured() -> None:
    with torch.inference_mode():
        calls = streams(torch.float32, Stopwatch())
        assert tuple(calls) == STREAMS
        for name, call in calls.items():
            assert call(torch.randn(3, 256)).numel() == (1 if name == "argmax" else 768), name


def test_measuring_reads_the_prompt_and_every_step() -> None:
    workload = Workload(prompt_tokens=11, generated_tokens=5, batch=2)
    found = measure([SMALL, SMALL.with_(n_layers=9)], workload, threads=1, rounds=3)
    assert all(each.time_to_first_token_s > 0 for each in found)
    assert found[1].time_per_output_token_s > 2 * found[0].time_per_output_token_s


def test_measuring_leaves_torchs_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        (Workload(prompt_tokens=31, generated_tokens=1), "32 tokens do not fit context_length=31"),
        (Workload(prompt_tokens=3, generated_tokens=1, precision="int4"), "can't be measured"),
    ],
)
def test_what_can_not_be_measured_is_refused(workload: Workload, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure([SMALL], workload)


def test_one_thread_is_timed_by_its_own_clock() -> None:
    """Sleeping is what another process's turn looks like: it is not the model's time."""
    import time

    assert Stopwatch("cpu", 1).seconds(lambda: time.sleep(0.01), 0.02) < 0.005
    assert Stopwatch("cpu", 2).seconds(lambda: time.sleep(0.01), 0.02) >= 0.01


@pytest.mark.slow
def test_calibrating_a_fresh_process_gives_a_profile_that_is_kept(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(tmp_path))
    hardware = Hardware.calibrate(threads=1)
    assert hardware.measured is not None
    assert hardware.measured.threads == 1
    assert hardware.measured.torch == torch.__version__
    assert Hardware.default() == hardware
    assert Hardware.named("this-machine") == hardware
    deep, wide = SMALL.with_(n_layers=8), SMALL.with_(d_model=480, n_heads=30)
    times = [
        estimate(each, Workload(prompt_tokens=16, generated_tokens=4), hardware).latency
        for each in (SMALL, deep, wide)
    ]
    assert times[1].time_per_output_token_s > 2 * times[0].time_per_output_token_s
    assert times[2].time_to_first_token_s > times[0].time_to_first_token_s
