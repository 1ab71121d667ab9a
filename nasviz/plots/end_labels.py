"""Names at the right end of a figure's lines, each in a place of its own.

A name beside the end of its line is read without a legend. It lies on no line if it stands right
of all of them, and on no other name if those at one height are moved apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from nasviz.plots.axis import Axis

# Shares of the axes: of the width for names at its right, of the height for one line of text.
_ROOM = 0.24
_LINE = 0.085


def with_room(axis: Axis) -> Axis:
    """Return the axis across with room for names right of its data."""
    return replace(axis, high=axis.high + (axis.high - axis.low) * _ROOM / (1 - _ROOM))


def label_heights(ends: Sequence[float], axis: Axis) -> list[float]:
    """Return a height on `axis` for each name, as near to its line's end as the others allow.

    The order of the ends is kept; ends outside the axis come to its edge.
    """
    gap = (axis.high - axis.low) * _LINE
    low, high = axis.low + gap / 2, axis.high - gap / 2
    order = sorted(range(len(ends)), key=lambda at: ends[at])
    heights = [min(max(end, low), high) for end in ends]
    for below, above in pairwise(order):
        heights[above] = max(heights[above], heights[below] + gap)
    if order and heights[order[-1]] > high:
        # They were pushed out at the top: push back down, from the topmost on.
        heights[order[-1]] = high
        for above, below in pairwise(reversed(order)):
            heights[below] = min(heights[below], heights[above] - gap)
    return heights
