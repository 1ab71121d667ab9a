"""Nested widths: which narrower models share a training step with the full one.

Weights trained at full width alone don't work as a slice. The sandwich rule (Yu & Huang 2019,
Universally Slimmable Networks, arXiv:1903.05134) trains the widest, the narrowest and something
between in each step; MatFormer (Devvrit et al. 2023, arXiv:2310.07707) draws one of few widths.

Measured (4 layers × 128 wide, half the feed-forward, 200,000 bytes of Python, one seed): the slice
comes to 1.0% more bits per byte than the same sizes trained alone, against 25.5% without nesting;
the whole model to 0.5% more (`tests/benchmarks/nested_width.py`).
"""

from __future__ import annotations

import random

from nasviz.space.architecture import Architecture
from nasviz.space.options.dynamic_width import DynamicWidth


def sandwich(
    architecture: Architecture, narrowest: DynamicWidth, *, seed: int, step: int
) -> tuple[Architecture, ...]:
    """Return the narrower sizes whose loss is added in training step `step`, largest first.

    They are the narrowest, and one whose shares lie between it and the whole, drawn from `seed` and
    `step` alone: the same in every process, and after a resumed run. The full model is the step's
    own and not among them; sizes that coincide are returned once, so there are at most two. Make
    each one's model with `nasviz.model.subnetwork.subnetwork`, and call backward before the next.

    >>> small = Architecture(2, 96, 6, 256, 64, n_kv_heads=6)
    >>> [each.d_ff for each in sandwich(small, DynamicWidth(ff_share=0.25), seed=1, step=5)]
    [72, 64]
    """
    drawn = random.Random(f"{seed}/{step}")  # a text seeds by its hash: steps don't resemble
    between = DynamicWidth(
        ff_share=drawn.uniform(narrowest.ff_share, 1.0),
        head_share=drawn.uniform(narrowest.head_share, 1.0),
    )
    sizes = (between.running(architecture), narrowest.running(architecture))
    return tuple(dict.fromkeys(each for each in sizes if each != architecture))
