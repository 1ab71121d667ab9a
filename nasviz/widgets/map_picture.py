"""What a still picture of the map must show: its candidates, their front and its marks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.axis import Axis, fitted_axis
from nasviz.plots.map_still import MapStill, StillMark, StillTie
from nasviz.strategies.pareto import front

Columns = Mapping[str, NDArray[Any]]

# As on the page: the worst hundredth of the quality doesn't stretch the axis.
_SHOWN = 0.99


def map_still(
    columns: Columns,
    kept: NDArray[np.bool_],
    *,
    axes: tuple[Axis, Axis],
    names: tuple[str, str],
    better: tuple[str, str],
    marks: Sequence[Mapping[str, Any]],
    ties: Iterable[Mapping[str, Any]],
    selected: Iterable[tuple[float, float]],
) -> MapStill:
    """Return the picture's record: the passing candidates, their front, the marks and their ties.

    A tie whose ends aren't both among the marks is left out.
    """
    xs, ys = (columns[name][kept].astype(np.float64) for name in names)
    signs = [-1.0 if each == "high" else 1.0 for each in better]
    best = front(np.column_stack([xs * signs[0], ys * signs[1]])) if xs.size else np.empty(0, int)
    n, left = len(kept), int(kept.sum())
    count = f"{left:,} candidates" if left == n else f"{left:,} of {n:,} candidates"
    return MapStill(
        *axes,
        xs,
        ys,
        np.asarray(best, dtype=np.int64),
        tuple(_still_mark(mark, names) for mark in marks),
        tuple(_still_ties(ties, marks, names)),
        tuple(selected),
        f"{count}. A still picture: run the notebook to explore.",
    )


def whole_axis(
    spec: Mapping[str, Any], values: NDArray[Any], marked: Sequence[float], log: bool
) -> Axis:
    """Return the axis over a whole column and the trained marks on it, as the page shows it."""
    shown = np.asarray(values, dtype=float)
    label = spec["label"] + (f", {spec['note']}" if spec["note"] else "")
    if spec["role"] == "quality":
        label += f" ({'higher' if spec['better'] == 'high' else 'lower'} is better)"
        if shown.size:
            ends = (1 - _SHOWN, 1.0) if spec["better"] == "high" else (0.0, _SHOWN)
            shown = np.quantile(shown, ends)
    label += " (log)" if log else ""
    return fitted_axis(label, spec["unit"], [shown, list(marked)], log=log, margin=0.04)


def _still_ties(
    ties: Iterable[Mapping[str, Any]], marks: Sequence[Mapping[str, Any]], names: tuple[str, str]
) -> Iterator[StillTie]:
    places = {mark["id"]: _place(mark, names) for mark in marks}
    for tie in ties:
        start, end = places.get(tie["from"]), places.get(tie["to"])
        if start is not None and end is not None:
            yield StillTie(tie["kind"], start, end)


def _place(mark: Mapping[str, Any], names: tuple[str, str]) -> tuple[float, float]:
    x, y = (float(mark["values"].get(name, np.nan)) for name in names)
    return x, y


def _still_mark(mark: Mapping[str, Any], names: tuple[str, str]) -> StillMark:
    x, y = _place(mark, names)
    low, high = mark["intervals"].get(names[1], (np.nan, np.nan))
    ringed = bool(mark.get("ringed"))
    return StillMark(mark["kind"], mark["label"], x, y, float(low), float(high), ringed)
