"""A sample as the map's columns: its dimensions, its costs and the quality that is expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.columns import COST_COLUMNS
from nasviz.space.points import points_of
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.filters import Filters, passing
from nasviz.widgets.labels import short_label
from nasviz.widgets.map_columns import Better, MapColumn, full_column
from nasviz.widgets.option_space import option_of
from nasviz.widgets.sample import Sample

QUALITY = "bits_per_byte"
# Dimensions whose colour scale is even; the others double.
_EVEN = ("n_layers", "n_heads", "ff_ratio")


def map_columns(sample: Sample, space: SearchSpace) -> list[MapColumn]:
    """Return the columns of the map: dimensions, costs and the quality that is expected."""
    columns: list[MapColumn] = []
    points = points_of(space, sample.table)
    for dimension in space.dimensions:
        field = dimension.field
        columns.append(
            MapColumn(
                field.name,
                points[field.name],
                short_label(field),
                "dimension",
                log=field.name not in _EVEN and option_of(field.name) is None,
                choices=("off", "on") if field.kind == "switch" else field.choices,
                help=field.help,
            )
        )
    for name, values in sample.costs.items():
        column = COST_COLUMNS[name]
        better: Better = "high" if column.better == "high" else "low"
        columns.append(
            MapColumn(
                name, values, column.label, "cost", column.unit, better, log=True, help=column.help
            )
        )
    columns.append(
        MapColumn(
            QUALITY,
            sample.bits_per_byte,
            "Bits per byte",
            "quality",
            note=sample.quality_label,
            source=sample.quality_source,
            help="Bits needed to write down a byte of held-out text; lower is better.",
        )
    )
    return columns


def passing_rows(sample: Sample, space: SearchSpace, filters: Filters) -> NDArray[np.intp]:
    """Return the rows of a sample that pass the map's filters, in order."""
    columns = {
        column.name: full_column(column, len(sample)) for column in map_columns(sample, space)
    }
    return np.flatnonzero(passing(columns, filters))
