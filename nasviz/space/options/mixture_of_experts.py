"""`MixtureOfExperts`: each token goes through as many of its experts as it needs."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from nasviz.space.field import real
from nasviz.space.options.option import FitRule, Option

_HARDER = "Huang et al. 2024, Harder Tasks Need More Experts, arXiv:2403.07652"


@dataclass(frozen=True)
class MixtureOfExperts(Option):
    """A token uses the fewest of its experts whose shares together reach `top_p`.

    The model sends a token to its `experts_per_token` best experts and mixes what they say by
    shares that add up to 1. Under this option the best ones are taken one by one until their shares
    reach `top_p`; the others are not run, and the shares of those that are add up to 1 again, as
    they would in a model with fewer experts a token. So a token whose router is sure costs less.
    At 1 all of them run: the static model.

    Huang et al. 2024 (arXiv:2403.07652) sum probabilities over all experts, without a limit; here
    they are those that the model mixes by, so that it never takes more experts than it learned.
    """

    NAME = "mixture_of_experts"
    LABEL = "Dynamic experts"
    HELP = "A token whose router is sure goes through fewer of its experts."
    REFERENCE = _HARDER
    NEUTRAL = MappingProxyType({"top_p": 1.0})
    FIELDS = (
        real(
            "top_p", "Share to reach", 0.01, 1.0,
            "Experts are added, best first, until their shares of a token reach this; 1 takes all.",
            _HARDER, default=0.7,
        ),
    )  # fmt: skip
    RULES = (
        FitRule(
            "a token has no experts to choose among; set experts and experts_per_token to 2 or "
            "more, or leave mixture_of_experts off",
            ("experts", "experts_per_token"), ("top_p",),
            lambda experts, per_token, _: (experts > 1) & (per_token > 1),
        ),
    )  # fmt: skip
    BRINGS = MappingProxyType({"experts": (4, 8), "experts_per_token": (2, 4)})

    top_p: float = 0.7
