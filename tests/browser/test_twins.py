"""What Python and the page both compute is one thing: cells of the density, numbers, ticks."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from nasviz.cost.units import quantity
from nasviz.plots.density import count_cells, grid_over
from nasviz.plots.ticks import tick_labels, ticks_within
from nasviz.strategies.pareto import front
from nasviz.widgets.esm import joined_module

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VALUES = [0.0, 1.0, 12.0, 999.6, 1234.5, 8192.0, 9999.0, 1.31e-3, 4.56e-7, 2.3125, 0.0417, 4.46e6,
          1.2e9, 3.7e13, 59.0, 61.0, 7200.0, 4e5, 1e9]  # fmt: skip
UNITS = ["", "s", "B", "J", "FLOP", "%", "parameters", "token/s", "B/s"]
TICKED = [
    (2.13, 3.07, False, 5, ""), (-3.7, -1.4, True, 7, "s"), (5.2, 5.5, True, 5, ""),
    (0.0, 108.0, False, 5, "s"), (0.0, 1.0, False, 5, "%"), (3.1, 11.2, True, 6, "B"),
    (1.0, 9.0, False, 3, ""), (0.0, 260_000.0, False, 6, ""),
]  # fmt: skip


def on_a_page(browser: Browser, module: str, call: str) -> Any:
    """Return what `call` gives on an empty page that has the functions of `module`."""
    page = browser.new_page()
    try:
        return json.loads(
            page.evaluate(f"() => {{ {joined_module(module)} return JSON.stringify({call}); }}")
        )
    finally:
        page.close()


def test_the_page_finds_the_same_cells(browser: Browser) -> None:
    random = np.random.default_rng(13)
    x, y = random.normal(size=(2, 5_003)).astype(np.float32)
    grid = grid_over((-1.3, 1.7), (-0.9, 2.1), 47, 29)
    call = (
        "(([x, y]) => {"
        " const grid = gridOver({ x0: -1.3, x1: 1.7, y0: -0.9, y1: 2.1 }, 47, 29);"
        " const { counts } = countCells(x, y, new Uint8Array(x.length), grid);"
        " return [grid.nx, grid.ny, [...counts]]; })"
        f"({json.dumps([x.tolist(), y.tolist()])}.map((each) => Float32Array.from(each)))"
    )
    nx, ny, counts = on_a_page(browser, "density.js", call)
    assert (nx, ny) == (grid.nx, grid.ny)
    assert np.array_equal(np.reshape(counts, (ny, nx)), count_cells(x, y, grid))


def test_the_page_writes_numbers_and_ticks_alike(browser: Browser) -> None:
    call = (
        f"{json.dumps(UNITS)}.map((unit) => {json.dumps(VALUES)}.map((v) => formatValue(v, unit)))"
    )
    written = on_a_page(browser, "units.js", call)
    assert written == [[quantity(value, unit) for value in VALUES] for unit in UNITS]
    call = (
        f"{json.dumps(TICKED)}.map(([low, high, log, wanted, unit]) => {{"
        " const ticks = ticksWithin(low, high, log, wanted, unit);"
        " return ticks.map((tick) => tickLabel(tick, ticks, unit, log)); })"
    )
    labels = on_a_page(browser, "units.js", call)
    assert labels == [
        tick_labels(ticks_within(low, high, log, wanted, unit), unit, log)
        for low, high, log, wanted, unit in TICKED
    ]


@pytest.mark.parametrize("down", [True, False])
def test_the_page_finds_the_same_front_with_ties_gaps_and_filters(
    browser: Browser, down: bool
) -> None:
    random = np.random.default_rng(17)
    x = random.integers(-20, 20, 997).astype(np.float32)
    y = random.normal(size=997).astype(np.float32)
    out = (random.random(997) < 0.3).astype(int)
    call = (
        f"(([x, y]) => paretoFront(x, y, Uint8Array.from({out.tolist()}), ascendingOrder(x),"
        f" {json.dumps(down)}))"
        f"({json.dumps([x.tolist(), y.tolist()])}.map((each) => Float32Array.from(each)))"
    )
    found = on_a_page(browser, "front.js", call)
    kept = np.flatnonzero(out == 0)
    expected = kept[front(np.column_stack([x[kept], y[kept] if down else -y[kept]]))]
    assert found == expected.tolist()


def test_the_page_sorts_every_kind_of_float(browser: Browser) -> None:
    values = [3.5, -0.0, 0.0, -7.25, 1e30, -1e30, 1e-30, 2.0, 2.0, math.pi]
    call = f"[...ascendingOrder(Float32Array.from({json.dumps(values)}))]"
    order = on_a_page(browser, "front.js", call)
    assert [values[at] for at in order] == sorted(values)
