"""`Cascade`: a small model writes, and the whole one is asked where the small one is unsure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from nasviz.space.field import choice, real
from nasviz.space.options.option import Option
from nasviz.space.options.shares import share_of

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture

CascadeCriterion = Literal["max_probability", "margin", "entropy"]

# Widths of the small model are multiples of this, as elsewhere.
WIDTH_STEP = 8

_FRUGAL = "Chen et al. 2023, FrugalGPT, arXiv:2305.05176"
_CASCADES = "Varshney & Baral 2022, Model Cascading, arXiv:2210.05528; Gupta et al. 2024, "
_CASCADES += "arXiv:2404.10136"


@dataclass(frozen=True)
class Cascade(Option):
    """A second, smaller model reads everything; its answer counts where it is sure enough.

    The small model has the share `depth_share` of the layers and `width_share` of the embedding
    size, of the heads and of the feed-forward, the same vocabulary and context, and is trained
    beside the whole one on the same text. A generated token is the small model's where its
    confidence is above `threshold`. Else the whole model says it, which first reads, in one pass,
    all that was written since it was last asked. Prompts are read by both, and the first token
    behind one is the whole model's. Both are counted: weights, caches, training and every pass. At
    threshold 1 the small model is never asked: the static model.

    max_probability, margin, entropy: as in `EarlyExit`.

    Varshney & Baral 2022 (arXiv:2210.05528), Chen et al. 2023 (FrugalGPT, arXiv:2305.05176), Gupta
    et al. 2024 (arXiv:2404.10136).
    """

    NAME = "cascade"
    LABEL = "Cascade"
    HELP = "A small model writes what it is sure of; the whole model is asked for the rest."
    REFERENCE = f"{_CASCADES}; {_FRUGAL}"
    NEUTRAL = MappingProxyType({"threshold": 1.0})
    CONFLICTS = MappingProxyType(
        {
            "early_exit": "both answer a token with less than the whole model, and the cascade "
            "would have to wait for tokens that wait for layers",
            "mixture_of_depths": "the whole model reads what it missed in one pass, and routers "
            "decide token by token",
            "self_speculation": "guesses of the first layers would be checked against answers of "
            "another model",
            "token_pruning": "the small model reads prompts in full, so they would not get shorter",
        }
    )
    FIELDS = (
        real(
            "threshold", "Cascade threshold", 0.0, 1.0,
            "How sure the small model must be for its answer to count; at 1 it is never asked.",
            _FRUGAL, default=0.8,
        ),
        choice(
            "criterion", "Cascade criterion", ("max_probability", "margin", "entropy"),
            "What counts as sure: the likeliest token's probability, its lead, or little entropy.",
            _CASCADES, "max_probability",
        ),
        real(
            "depth_share", "Small model's layers", 0.01, 1.0,
            "The small model's layers as a share of the whole one's.", _CASCADES, default=0.5,
        ),
        real(
            "width_share", "Small model's width", 0.01, 1.0,
            "The small model's widths as a share of the whole one's.", _CASCADES, default=0.5,
        ),
    )  # fmt: skip

    threshold: float = 0.8
    criterion: CascadeCriterion = "max_probability"
    depth_share: float = 0.5
    width_share: float = 0.5

    def small(self, architecture: Architecture) -> Architecture:
        """Return the small model's sizes, beside a whole one of these."""
        kv_heads = int(share_of(architecture.n_kv_heads, self.width_share))
        return replace(
            architecture,
            n_layers=int(share_of(architecture.n_layers, self.depth_share)),
            d_model=int(share_of(architecture.d_model, self.width_share, WIDTH_STEP)),
            n_heads=kv_heads * (architecture.n_heads // architecture.n_kv_heads),
            n_kv_heads=kv_heads,
            d_ff=int(share_of(architecture.d_ff, self.width_share, WIDTH_STEP)),
        )
