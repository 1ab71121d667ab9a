"""`DynamicWidth`: a request is answered with a part of the heads and of the feed-forward."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from nasviz.space.field import real
from nasviz.space.options.option import Option
from nasviz.space.options.shares import share_of

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture

_MATFORMER = "Devvrit et al. 2023, MatFormer, arXiv:2310.07707"
_SLIMMABLE = "Yu et al. 2018, Slimmable Neural Networks, arXiv:1812.08928"

# Feed-forward widths are multiples of this: what vector instructions and kernels take whole.
FF_STEP = 8


@dataclass(frozen=True)
class DynamicWidth(Option):
    """Every layer computes with its first heads and the first part of its feed-forward alone.

    `head_share` is rounded to whole groups of heads that share keys and values, so the cache
    shrinks with it; `ff_share` to a multiple of 8. At least one of each is left. Weights serve
    every width at once where they were trained nested (`nasviz.training.nested_width`).

    Devvrit et al. 2023 (MatFormer, arXiv:2310.07707), Yu et al. 2018 (arXiv:1812.08928).
    """

    NAME = "dynamic_width"
    LABEL = "Dynamic width"
    HELP = "A request uses the first part of each layer's heads and feed-forward, the rest rests."
    REFERENCE = f"{_MATFORMER}; {_SLIMMABLE}"
    NEUTRAL = MappingProxyType({"ff_share": 1.0, "head_share": 1.0})
    FIELDS = (
        real(
            "ff_share", "Share of the feed-forward", 0.01, 1.0,
            "The part of each feed-forward's inner vector that is computed; 1 is all.",
            _MATFORMER, default=0.5,
        ),
        real(
            "head_share", "Share of the heads", 0.01, 1.0,
            "The part of each layer's heads that is computed, in whole groups; 1 is all.",
            _SLIMMABLE, default=1.0,
        ),
    )  # fmt: skip

    ff_share: float = 0.5
    head_share: float = 1.0

    def running(self, architecture: Architecture) -> Architecture:
        """Return the narrower sizes that are computed with."""
        n_kv_heads = share_of(architecture.n_kv_heads, self.head_share)
        group = architecture.n_heads // architecture.n_kv_heads
        return replace(
            architecture,
            n_heads=n_kv_heads * group,
            n_kv_heads=n_kv_heads,
            d_ff=share_of(architecture.d_ff, self.ff_share, FF_STEP),
        )
