"""`SelfSpeculation`: the first layers guess a few tokens ahead, the others check them at once."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from nasviz.space.field import integer
from nasviz.space.options.option import FitRule, Option

_LAYERSKIP = "Elhoushi et al. 2024, LayerSkip, arXiv:2404.16710"
_DRAFT_AND_VERIFY = "Zhang et al. 2023, Draft & Verify, arXiv:2309.08168"
_SPECULATIVE = "Leviathan et al. 2023, arXiv:2211.17192"


@dataclass(frozen=True)
class SelfSpeculation(Option):
    """The first `draft_layers` layers write `draft_length` tokens, and the rest checks them.

    The checking layers read all guesses in one pass, from the states that drafting left, and the
    longest prefix that the whole model agrees with stays, with one token of its own behind it. What
    comes out is what the whole model would have written: greedily token for token, else in
    distribution (rejection sampling). Nothing is saved unless guesses are often right and reading
    several tokens at once is cheaper than one after the other. A draft length of 0 guesses nothing.

    Elhoushi et al. 2024 (LayerSkip, arXiv:2404.16710), Zhang et al. 2023 (Draft & Verify,
    arXiv:2309.08168), Leviathan et al. 2023 (arXiv:2211.17192).
    """

    NAME = "self_speculation"
    LABEL = "Self-speculation"
    HELP = "The first layers guess a few tokens, the others check them at once: the same text."
    REFERENCE = f"{_LAYERSKIP}; {_DRAFT_AND_VERIFY}; {_SPECULATIVE}"
    NEUTRAL = MappingProxyType({"draft_length": 0})
    CONFLICTS = MappingProxyType(
        {
            "early_exit": "guesses are checked by all layers, so a token that leaves early would "
            "not be checked",
            "kv_window": "wrong guesses are taken back, and a window has let go of what they "
            "pushed out",
            "kv_eviction": "wrong guesses are taken back, and what they evicted is gone",
            "kv_quantization": "wrong guesses are taken back, and what was packed with them is not",
        }
    )
    FIELDS = (
        integer(
            "draft_layers", "Draft layers", 1, 1024,
            "Layers that write the guesses; the rest checks them.",
            _LAYERSKIP, default=1, unit="layers",
        ),
        integer(
            "draft_length", "Draft length", 0, 64,
            "Tokens that are guessed before a check; 0 guesses nothing.",
            _SPECULATIVE, default=3, unit="tokens",
        ),
    )  # fmt: skip
    RULES = (
        FitRule(
            "no layer is left to check the guesses; lower self_speculation.draft_layers",
            ("n_layers",), ("draft_layers",), lambda n_layers, layers: layers < n_layers,
        ),
        FitRule(
            "wrong guesses are taken back, and a sliding window has let go of what they pushed "
            "out; set sliding_window=0",
            ("sliding_window", "context_length"), ("draft_layers",),
            lambda window, context, _: (window == 0) | (window >= context),
        ),
    )  # fmt: skip

    draft_layers: int = 1
    draft_length: int = 3
