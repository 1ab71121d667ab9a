"""`TokenPruning`: deeper layers read only those prompt tokens that its end looks at."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from nasviz.space.field import integer, real
from nasviz.space.options.option import FitRule, Option
from nasviz.space.options.shares import share_of

_LAZYLLM = "Fu et al. 2024, LazyLLM, arXiv:2407.14057"
_SPATTEN = "Wang et al. 2021, SpAtten, arXiv:2012.09852"
_STREAMING = "Xiao et al. 2023, StreamingLLM, arXiv:2309.17453"


@dataclass(frozen=True)
class TokenPruning(Option):
    """The prompt gets shorter on its way up: some of its tokens stay behind, layer by layer.

    After `first` layers and after every `every` further ones, the share `keep` of the prompt tokens
    that came so far goes on: those that the prompt's last token attends to most in the layer just
    passed, summed over its heads. The last token always goes on, as do the first `protected` ones,
    to which models attend whatever they say. Tokens keep their positions and their order. A layer
    that a token doesn't reach has no key of it either, so generated tokens, of which every one goes
    through all layers, find fewer keys there.

    What is saved is time to the first token, and bytes of the cache. A prompt that is read in
    several parts is pruned part by part. LazyLLM also fetches tokens back that a later one would
    need; here what stayed behind is gone. A share of 1 keeps every token: the static model.

    Fu et al. 2024 (LazyLLM, arXiv:2407.14057), Wang et al. 2021 (SpAtten, arXiv:2012.09852).
    """

    NAME = "token_pruning"
    LABEL = "Token pruning"
    HELP = "Deeper layers read only the prompt tokens that its last token looks at most."
    REFERENCE = f"{_LAZYLLM}; {_SPATTEN}"
    NEUTRAL = MappingProxyType({"keep": 1.0})
    CONFLICTS = MappingProxyType({
        "self_speculation": "wrong guesses are taken back by their place in the cache, which "
        "differs from layer to layer where tokens stayed behind",
        "kv_window": "a window counts positions, and a layer that misses some would see farther "
        "back than another; use kv_quantization, or leave the window out",
        "kv_eviction": "both choose which of the prompt's keys a layer keeps, and eviction counts "
        "every position",
    })  # fmt: skip
    FIELDS = (
        real(
            "keep", "Share that goes on", 0.01, 1.0,
            "The part of the prompt tokens that goes on each time; at 1 every token does.",
            _LAZYLLM, default=0.7,
        ),
        integer(
            "first", "First pruning", 1, 1024, "Layers that read the whole prompt.",
            _LAZYLLM, default=1, unit="layers",
        ),
        integer(
            "every", "Pruned every", 1, 1024, "Layers from one pruning to the next.",
            _LAZYLLM, default=2, unit="layers",
        ),
        integer(
            "protected", "Protected", 0, 1024,
            "How many of the first tokens always go on, as the last one does.",
            _STREAMING, default=1, unit="tokens",
        ),
    )  # fmt: skip
    RULES = (
        FitRule(
            "every layer reads the whole prompt; lower token_pruning.first",
            ("n_layers",), ("first",), lambda n_layers, first: first < n_layers,
        ),
        FitRule(
            "the model's own window counts positions, and layers would miss some; set "
            "sliding_window=0, or token_pruning.keep=1",
            ("sliding_window", "context_length"), ("keep",),
            lambda window, context, keep: (window == 0) | (window >= context) | (keep == 1),
        ),
    )  # fmt: skip

    keep: float = 0.7
    first: int = 1
    every: int = 2
    protected: int = 1

    def points(self, n_layers: int) -> tuple[int, ...]:
        """Return after how many layers tokens stay behind, rising.

        >>> TokenPruning(first=2, every=3).points(9)
        (2, 5, 8)
        """
        return tuple(range(self.first, n_layers, self.every)) if self.keep < 1 else ()

    def kept(self, tokens: int) -> int:
        """Return how many of so many prompt tokens go on.

        >>> TokenPruning(keep=0.7).kept(10), TokenPruning(keep=0.01, protected=1).kept(10)
        (7, 2)
        """
        return max(int(share_of(tokens, self.keep)), min(tokens, self.protected + 1))
