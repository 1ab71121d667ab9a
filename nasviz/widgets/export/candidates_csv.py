"""The candidates that the sliders leave, as CSV: every field, every cost, the expected quality."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.units import NO_BREAK
from nasviz.widgets.expectation import Expectation
from nasviz.widgets.export.sheet import sheet
from nasviz.widgets.sample import Sample

QUALITY = ("expected_bits_per_byte", "expected_low", "expected_high", "quality_source")


def candidates_csv(sample: Sample, rows: NDArray[np.intp], expected: Expectation) -> str:
    """Return the sampled candidates in `rows`; units are in the columns' names.

    `expected_low` and `expected_high` bound the expectation nine times in ten.
    """
    table = sample.table.take(rows)
    fields = {name: table.decoded(name) for name in table.columns}
    prediction = expected.of_table(table)
    costs = {name: _figures(values[rows]) for name, values in sample.costs.items()}
    quality = [
        _figures(each) for each in (prediction.bits_per_byte, prediction.low, prediction.high)
    ]
    said = f"{sample.quality_label}: {sample.quality_source}".replace(NO_BREAK, " ")
    source = [said] * len(rows)
    columns = [*fields.values(), *costs.values(), *quality, source]
    return sheet([*fields, *costs, *QUALITY], zip(*columns, strict=True))


def _figures(values: NDArray[Any]) -> list[float | int]:
    """Return a column as it is written: counts whole, everything else in seven digits."""
    numbers = values.astype(float)
    if np.all(numbers == np.rint(numbers)):
        return [int(each) for each in numbers]
    return [float(f"{each:.7g}") for each in numbers]
