"""`KVEviction`: each head keeps the tokens that it attends to most, within a budget."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from nasviz.errors import InputError
from nasviz.space.field import choice, integer, real
from nasviz.space.options.option import FitRule, Option

Policy = Literal["heavy_hitters", "random", "local"]

_H2O = "Zhang et al. 2023, H2O, arXiv:2306.14048"
_TOO_SMALL = "the budget holds no more than the protected tokens; raise it, or use 0 to keep all"
_OWN_WINDOW = "the model's own window lets tokens go already; set kv_eviction.budget or it to 0"


def _holds_more(budget: Any, protected: Any) -> Any:
    return (budget == 0) | (budget > protected)


@dataclass(frozen=True)
class KVEviction(Option):
    """Each KV head of each layer keeps at most `budget` tokens, that which is read last included.

    When a token comes and the budget is full, one of the others goes. The first `protected` tokens
    and the latest ones (`recent`, as a share of the rest of the budget) never do. Among the others:

    heavy_hitters: the one that got the least attention so far, summed over the queries that saw it
    (those of all query heads that share the KV head). random: the one whose number, drawn from
    `seed` for each token and head, is the least, so that what stays is a uniform sample of the
    past. local: the oldest. The last two are what heavy hitters are compared with.

    A budget of 0 keeps everything, as does one that spans the context: the static model.

    Zhang et al. 2023 (H2O, arXiv:2306.14048).
    """

    NAME = "kv_eviction"
    LABEL = "Cache eviction"
    HELP = "Each head keeps the keys and values that it looked at most, and evicts the others."
    REFERENCE = _H2O
    NEUTRAL = MappingProxyType({"budget": 0})
    LAYERS_MAY_DIFFER = True
    CONFLICTS = MappingProxyType({
        "kv_window": "both say which tokens stay; a window with sinks is the policy 'local' with "
        "protected tokens",
    })  # fmt: skip
    FIELDS = (
        integer(
            "budget", "Budget", 0, 4_194_304,
            "How many tokens each head keeps, the latest included; 0 is all.",
            _H2O, default=64, unit="tokens",
        ),
        choice(
            "policy", "Who goes", ("heavy_hitters", "random", "local"),
            "The token that got the least attention so far, any at random, or the oldest.",
            _H2O, "heavy_hitters",
        ),
        real(
            "recent", "Recent share", 0.0, 1.0,
            "The part of the budget that always belongs to the latest tokens.",
            _H2O, default=0.5,
        ),
        integer(
            "protected", "Protected", 0, 1024,
            "How many of the first tokens never go.",
            f"{_H2O}; Xiao et al. 2023, StreamingLLM, arXiv:2309.17453",
            default=4, unit="tokens",
        ),
        integer(
            "seed", "Seed", 0, 2**31 - 1, "What the policy 'random' draws from.", _H2O, default=0,
        ),
    )  # fmt: skip
    RULES = (
        FitRule(_TOO_SMALL, (), ("budget", "protected"), _holds_more),
        FitRule(
            _OWN_WINDOW, ("sliding_window",), ("budget",),
            lambda sliding_window, budget: (sliding_window == 0) | (budget == 0),
        ),
    )  # fmt: skip

    budget: int = 64
    policy: Policy = "heavy_hitters"
    recent: float = 0.5
    protected: int = 4
    seed: int = 0

    def check_settings(self) -> None:
        """Raise `InputError` for a budget that the protected tokens fill."""
        if not _holds_more(self.budget, self.protected):
            raise InputError(
                f"kv_eviction.budget={self.budget}, kv_eviction.protected={self.protected}: "
                f"{_TOO_SMALL}"
            )

    @property
    def recent_tokens(self) -> int:
        """How many of the latest tokens never go, the one that is being read included."""
        return max(1, int(self.recent * (self.budget - self.protected)))
