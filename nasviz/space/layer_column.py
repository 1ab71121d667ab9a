"""Sizes that differ by layer as a column of a table: `()` where all layers of a row are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.space.layer_sizes import LayerSizes, read_layers

Column = NDArray[Any]
LAYER_SIZES = "layer_sizes"


def encode_layers(values: Sequence[Any]) -> Column:
    """Return the sizes of each row's layers as an array of tuples, shape `(n,)`."""
    column = np.empty(len(values), dtype=object)
    for row, layers in enumerate(values):
        column[row] = read_layers(layers)
    return column


def layers_at(columns: Mapping[str, Column], row: int) -> tuple[LayerSizes, ...]:
    """Return the sizes of each layer of a row; `()` where all are alike."""
    if LAYER_SIZES not in columns:
        return ()
    column = columns[LAYER_SIZES]
    found: tuple[LayerSizes, ...] = column[0 if len(column) == 1 else row]
    return found


def rows_with_layers(columns: Mapping[str, Column], length: int) -> NDArray[np.intp]:
    """Return the rows of a table of so many whose layers differ."""
    if LAYER_SIZES not in columns:
        return np.zeros(0, dtype=np.intp)
    differ = np.array([bool(each) for each in columns[LAYER_SIZES]])
    return np.flatnonzero(np.broadcast_to(differ, (length,)))
