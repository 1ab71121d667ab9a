"""`MixtureOfDepths`: in some layers only the tokens that need them are computed."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from nasviz.space.field import integer, real
from nasviz.space.options.option import FitRule, Option
from nasviz.space.options.shares import share_of

_MOD = "Raposo et al. 2024, Mixture-of-Depths, arXiv:2404.02258"


@dataclass(frozen=True)
class MixtureOfDepths(Option):
    """Layer `first` (counted from 0) and every `every`-th one above it compute some tokens alone.

    A small learned router of each such layer scores every token by its residual stream. What the
    layer adds to a token is multiplied by the sigmoid of the score, so that the router learns which
    tokens need the layer. Tokens that it skips keep their stream, and leave no keys and values.

    In training the layer takes the share `capacity` of each text's tokens, those with the highest
    scores: choosing among all of them reads the future. So a second small classifier learns, from
    the stream at the token alone, whether its layer would choose it, and without training nothing
    else decides: prompts, generated text and every quality that is reported go by this causal
    predictor. How many tokens it lets through is therefore measured; the capacity is what it was
    taught. Routers are trained with the model: a model that was trained without them is refused. A
    capacity of 1 routes nothing: the static model.

    Raposo et al. 2024 (arXiv:2404.02258; the predictor is section 3.5's second method).
    """

    NAME = "mixture_of_depths"
    LABEL = "Mixture of depths"
    HELP = "Some layers compute only the tokens that a learned router picks; the others skip them."
    REFERENCE = _MOD
    NEUTRAL = MappingProxyType({"capacity": 1.0})
    CONFLICTS = MappingProxyType({
        "early_exit": "both decide which layers a token skips: an exit would read streams that "
        "routers have left at different depths, and was trained on none of them",
        "self_speculation": "wrong guesses are taken back by their place in the cache, which "
        "differs from layer to layer where tokens were skipped",
        "token_pruning": "both decide which tokens of a prompt a layer sees, and routers were "
        "trained on whole texts",
        "layer_skip": "routers were trained for their places in the whole stack",
        "dynamic_width": "slices of the model are trained in full, without routers",
        "kv_window": "a window counts positions, and a layer that skips tokens would see farther "
        "back than another",
        "kv_eviction": "both choose which keys a layer keeps, and eviction counts every position",
    })  # fmt: skip
    FIELDS = (
        real(
            "capacity", "Capacity", 0.01, 1.0,
            "The part of the tokens that a routed layer computes; at 1 nothing is routed.",
            _MOD, default=0.25,
        ),
        integer(
            "first", "First routed layer", 1, 1023,
            "The lowest layer that has a router, counted from 0.",
            _MOD, default=1, unit="layers",
        ),
        integer(
            "every", "Routed every", 1, 1024, "Layers from one router to the next.",
            _MOD, default=2, unit="layers",
        ),
    )  # fmt: skip
    RULES = (
        FitRule(
            "no layer is routed; lower mixture_of_depths.first",
            ("n_layers",), ("first",), lambda n_layers, first: first < n_layers,
        ),
        FitRule(
            "the model's own window counts positions, and routed layers miss some; set "
            "sliding_window=0, or mixture_of_depths.capacity=1",
            ("sliding_window", "context_length"), ("capacity",),
            lambda window, context, capacity: (window == 0) | (window >= context) | (capacity == 1),
        ),
    )  # fmt: skip

    capacity: float = 0.25
    first: int = 1
    every: int = 2

    def routed(self, n_layers: int) -> tuple[int, ...]:
        """Return the layers that have a router, rising.

        >>> MixtureOfDepths(first=1, every=2).routed(6)
        (1, 3, 5)
        """
        return tuple(range(self.first, n_layers, self.every)) if self.capacity < 1 else ()

    def chosen(self, tokens: int) -> int:
        """Return how many of a text's tokens a routed layer takes in training."""
        return int(share_of(tokens, self.capacity))
