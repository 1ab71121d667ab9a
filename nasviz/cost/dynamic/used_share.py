"""Which part of the layers' weights a generated token goes through under a policy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.chunks import in_chunks
from nasviz.cost.dynamic.options import running_of
from nasviz.cost.parameters import count_parameters
from nasviz.cost.sizes import Amount, Sizes, table_chunk
from nasviz.space.table import CandidateTable


def used_share(table: CandidateTable) -> NDArray[np.float64]:
    """Return the share of the layers' weights that a token goes through, `(n,)`; 1 is static.

    Of the deepest pass that a token takes, with the sizes that are computed with. How many layers
    that is rests on each option's prior, as costs do before a measurement.
    """
    found = np.ones(len(table))

    def fill(start: int, stop: int) -> None:
        running = running_of(table, table_chunk(table, start, stop), rows=(start, stop))
        depth: Amount = 0
        for each in running.decode:
            depth = np.maximum(depth, each.layers)
        whole = running.stored.n_layers * _layer_weights(running.stored)
        found[start:stop] = depth * _layer_weights(running.sizes) / whole

    in_chunks(fill, len(table))
    return found


def _layer_weights(sizes: Sizes) -> Amount:
    counted = count_parameters(sizes)
    return (counted.attention + counted.feed_forward) / sizes.n_layers
