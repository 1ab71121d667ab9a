"""Tables read between their nodes, and a calibrated machine's seconds from them.

Both are held against the straightforward way: `np.interp` along one side and then the other, and
an operation at a time.
"""

from __future__ import annotations

import numpy as np
import pytest

from nasviz.cost.dynamic.running import static
from nasviz.cost.flops import decode_keys, prompt_tokens
from nasviz.cost.grid import Curve, Grid, added
from nasviz.cost.hardware import Hardware
from nasviz.cost.latency import predict_latency
from nasviz.cost.measured import OVERHEADS, STREAMS, Factors, Measured, MeasuredRates
from nasviz.cost.sizes import sizes_of
from nasviz.cost.workload import Workload
from nasviz.space.table import CandidateTable

ROWS, COLUMNS = (1.0, 3.0, 11.0, 37.0), (5.0, 50.0, 700.0, 9000.0, 40000.0)


def ascending(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.1, 2.0, shape).cumsum(axis=-1)


def along(nodes: tuple[float, ...], values: list[float], amount: float) -> float:
    """The plain reading: a line between nodes, the first value below, the last slope beyond."""
    if amount <= nodes[-1]:
        return float(np.interp(amount, nodes, values))
    slope = max(0.0, (values[-1] - values[-2]) / (nodes[-1] - nodes[-2]))
    return values[-1] + slope * (amount - nodes[-1])


def across(grid: Grid, row: float, column: float) -> float:
    by_row = [along(grid.columns, list(line), column) for line in grid.values]
    return along(grid.rows, by_row, row)


@pytest.fixture
def grid() -> Grid:
    values = ascending(np.random.default_rng(1), (len(ROWS), len(COLUMNS))).cumsum(axis=0)
    return Grid(ROWS, COLUMNS, tuple(map(tuple, values.tolist())))


def amounts(nodes: tuple[float, ...], count: int, seed: int) -> np.ndarray:
    """Below the first node, on each, between them and far beyond the last."""
    drawn = np.random.default_rng(seed).uniform(0, 3 * nodes[-1], count)
    drawn[: len(nodes)] = nodes
    return drawn


def test_a_grid_is_read_along_one_side_and_then_the_other(grid: Grid) -> None:
    rows, columns = amounts(ROWS, 301, seed=2), amounts(COLUMNS, 301, seed=3)[::-1]
    plain = [across(grid, row, column) for row, column in zip(rows, columns, strict=True)]
    assert grid.at(rows, columns) == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize("row", [0.5, 3.0, 17.0, 500.0])
def test_one_row_for_all_columns_reads_the_same_values(grid: Grid, row: float) -> None:
    columns = amounts(COLUMNS, 101, seed=4)
    plain = [across(grid, row, column) for column in columns]
    assert grid.at(row, columns) == pytest.approx(plain, rel=1e-9)
    assert grid.at(np.full(101, row), columns) == pytest.approx(plain, rel=1e-9)
    assert float(grid.at(row, columns[7])) == pytest.approx(plain[7], rel=1e-9)


def test_seconds_never_fall_beyond_the_last_node() -> None:
    falling = Curve((1.0, 2.0, 4.0), (3.0, 5.0, 2.0))
    assert list(falling.at([0.0, 3.0, 4.0, 400.0])) == [3.0, 3.5, 2.0, 2.0]


@pytest.mark.parametrize("other", [(2.0, 30.0, 400.0), (1.0, 7.0, 90.0)])
def test_curves_added_are_the_sum_of_their_values(other: tuple[float, ...]) -> None:
    first, second = Curve((2.0, 30.0, 400.0), (1.0, 4.0, 9.0)), Curve(other, (2.0, 3.0, 11.0))
    drawn = amounts(first.x, 101, seed=5)
    expected = 2 * first.at(drawn) + 0.5 * second.at(drawn)
    assert added([first, second], [2, 0.5]).at(drawn) == pytest.approx(expected, rel=1e-6)


@pytest.fixture
def rates() -> MeasuredRates:
    rng = np.random.default_rng(6)

    def table() -> Grid:
        values = 1e-6 * ascending(rng, (len(ROWS), len(COLUMNS))).cumsum(axis=0)
        return Grid(ROWS, COLUMNS, tuple(map(tuple, values.tolist())))

    def curve() -> Curve:
        return Curve((1.0, 100.0, 3000.0), tuple((1e-6 * ascending(rng, (3,))).tolist()))

    return MeasuredRates(
        matmul_hot=table(),
        matmul_cold=table(),
        cold_share=Curve((0.0, 1e5, 4e5), (0.0, 0.3, 1.0)),
        prefill_attention=table(),
        decode_attention=table(),
        decode_query=table(),
        decode_fixed_s=3e-6,
        streams={name: curve() for name in STREAMS},
        overheads_s={name: 1e-6 * (2 + index) for index, name in enumerate(OVERHEADS)},
        prefill_factors=Factors(1.3, 1.7, 0.9, 1.1, 2e-5),
        decode_factors=Factors(1.2, 0.8, 1.4, 0.7, 1e-5),
    )


def seconds_of(architecture, rates: MeasuredRates, factors: Factors, **read: int) -> float:
    """One pass of one candidate, an operation at a time."""
    a, rows, keys, batch = architecture, read["rows"], read["keys"], read["batch"]
    kv, query = a.n_kv_heads * a.head_dim, a.n_heads * a.head_dim
    visits = rows * a.experts_per_token
    touched = min(a.experts, visits)
    each = visits / touched
    inner = [(a.d_model, a.d_ff)] * (1 + a.gated) + [(a.d_ff, a.d_model)]
    projections = [(a.d_model, query), (a.d_model, kv), (a.d_model, kv), (query, a.d_model)]
    weights = sum(x * y for x, y in projections) + touched * sum(x * y for x, y in inner)
    cached = a.n_layers * 2 * batch * keys * kv if read["decoding"] else 0
    held = 4 * (a.n_layers * weights + a.d_model * a.vocab_size + cached)
    cold = along(rates.cold_share.x, list(rates.cold_share.y), held)

    def product(n: float, x: int, y: int) -> float:
        hot, from_memory = (
            across(table, n, x * y) for table in (rates.matmul_hot, rates.matmul_cold)
        )
        return hot + cold * (from_memory - hot)

    def stream(kind: str, numbers: float) -> float:
        curve = rates.streams[kind]
        return along(curve.x, list(curve.y), numbers)

    norm = "layer_norm" if a.norm == "layernorm" else "rms_norm"
    kind = {"swiglu": "silu", "geglu": "gelu"}.get(a.mlp, a.mlp)
    products = sum(product(rows, *pair) for pair in projections)
    products += touched * sum(product(each, *pair) for pair in inner)
    products += product(rows, a.d_model, a.experts) if a.experts > 1 else 0
    streams = 2 * stream(norm, rows * a.d_model) + 2 * stream("add", rows * a.d_model)
    streams += 2 * stream("copy", rows * kv)
    streams += 0 if read["decoding"] else stream("copy", rows * query)
    streams += touched * stream(kind, each * a.d_ff)
    streams += touched * stream("multiply", each * a.d_ff) if a.gated else 0
    for switch, name in ((a.qk_norm, "head_norm"), (a.position == "rope", "rotate")):
        streams += stream(name, rows * query) + stream(name, rows * kv) if switch else 0
    if read["decoding"]:
        first = across(rates.decode_attention, keys, a.head_dim)
        further = across(rates.decode_query, keys, a.head_dim)
        heads = a.n_kv_heads * first + (a.n_heads - a.n_kv_heads) * further
    else:
        heads = a.n_heads * across(rates.prefill_attention, rows // batch, a.head_dim)
    attention = rates.decode_fixed_s + batch * heads
    costs = rates.overheads_s
    overhead = costs["layer"] + costs["rope"] * (a.position == "rope")
    overhead += costs["qk_norm"] * a.qk_norm + costs["gated"] * a.gated
    overhead += costs["expert"] * touched * (a.experts > 1)

    head = product(batch, a.d_model, a.vocab_size)
    around = stream(norm, batch * a.d_model) + stream("argmax", batch * a.vocab_size)
    around += stream("copy", rows * a.d_model)
    return (
        factors.products * (a.n_layers * products + head)
        + factors.attention * a.n_layers * attention
        + factors.streams * (a.n_layers * streams + around)
        + factors.overhead * (costs["model"] + a.n_layers * overhead)
        + factors.pass_s
    )


@pytest.mark.parametrize("prompt", [7, 40])
def test_a_calibrated_machines_seconds_are_the_sum_of_its_operations(
    random_architectures, rates: MeasuredRates, prompt: int
) -> None:
    """With a prompt that every context holds, and with one that only some do."""
    architectures = random_architectures(41, seed=8)
    contexts = [each.context_length for each in architectures]
    assert (prompt <= min(contexts)) != (min(contexts) < prompt <= max(contexts))
    workload = Workload(prompt_tokens=prompt, generated_tokens=5, batch=3)
    plain = Hardware.named("laptop-cpu").to_json()
    measured = Measured("0", "cpu", "2", 1, "2026-01-01", {"fp32": rates})
    hardware = Hardware.from_json({**plain, "measured": measured.to_json()})
    found = predict_latency(static(sizes_of(CandidateTable.of(architectures))), workload, hardware)
    for row, architecture in enumerate(architectures):
        sizes = sizes_of(architecture)
        keys, tokens = decode_keys(static(sizes), workload), prompt_tokens(sizes, workload)
        first = seconds_of(
            architecture, rates, rates.prefill_factors,
            rows=3 * tokens, keys=tokens, batch=3, decoding=False,
        )  # fmt: skip
        step = seconds_of(
            architecture, rates, rates.decode_factors, rows=3, keys=keys, batch=3, decoding=True
        )
        assert found.time_to_first_token_s[row] == pytest.approx(first, rel=1e-6)
        assert found.time_per_output_token_s[row] == pytest.approx(step, rel=1e-6)
