"""The rows of `ModelParts`: a choice of parts, coloured by what was measured of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.units import number
from nasviz.space.importance import Scores
from nasviz.space.parts_choice import PartsChoice
from nasviz.widgets.model_parts import FeedForwardBar, HeadCell, LayerRow

_NOT_MEASURED = "not measured yet"


def part_rows(
    choice: PartsChoice, layers: Scores | None, heads: Scores | None, method: str
) -> list[LayerRow]:
    """Return a row a layer; scores (L,) and (L, H) are None where nothing was measured.

    `method` says in words what measured the heads.
    """
    of_layers, of_heads = shares_of(layers), shares_of(heads)
    rows = []
    for layer in range(choice.parent.n_layers):
        sizes = choice.parent.sizes_of(layer)
        cells = [
            HeadCell(
                head,
                head in choice.heads[layer],
                None if of_heads is None else float(of_heads[layer, head]),
                f"layer {layer}, head {head}: "
                + (_NOT_MEASURED if heads is None else f"{method} {number(heads[layer, head])}"),
            )
            for head in range(sizes.n_heads)
        ]
        said = _NOT_MEASURED if layers is None else f"importance {number(float(layers[layer]))}"
        step = choice.group_size
        rows.append(
            LayerRow(
                layer,
                f"layer {layer}",
                layer in choice.layers,
                None if of_layers is None else float(of_layers[layer]),
                f"layer {layer}: {said}. Press to take it away, or to give it back.",
                tuple(tuple(cells[at : at + step]) for at in range(0, sizes.n_heads, step)),
                _bar(layer, choice.d_ff[layer], sizes.d_ff),
            )
        )
    return rows


def _bar(layer: int, kept: int, of: int) -> FeedForwardBar:
    said = f"layer {layer}: {kept:,} of {of:,} feed-forward units stay"
    help_ = f"{said}. Press to take its feed-forward part away, or to give it back."
    return FeedForwardBar(kept, of, f"{kept:,}", help_)


def shares_of(scores: Scores | None) -> NDArray[np.float64] | None:
    """Return scores as shares of the highest, 0 to 1, for colours; their square roots.

    A few parts often matter many times as much as all others, which would look alike.

    >>> shares_of(np.array([4.0, 1.0, -1.0])).tolist()
    [1.0, 0.5, 0.0]
    """
    if scores is None:
        return None
    most = float(scores.max())
    if not most > 0:
        return np.zeros(scores.shape)
    found: NDArray[np.float64] = np.sqrt(np.clip(scores, 0, None) / most)
    return found
