"""One road to a model, walked with several seeds: what each came to at the same compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasviz.quality.crossing import Road

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RoadOverSeeds:
    """A road's compute, (n,) FLOPs and rising, and the bits per byte there, (seeds, n)."""

    compute: Floats
    bits_per_byte: Floats

    @classmethod
    def of(cls, roads: Sequence[Road]) -> RoadOverSeeds:
        """Return roads of as many points each as one; their compute differs by rounding alone."""
        compute = np.mean([road.compute for road in roads], axis=0)
        return cls(compute, np.array([road.bits_per_byte for road in roads]))
