"""`Observed`: what running a policy on held-out text showed, which an expected cost is weighted by.

Without it a cost rests on the priors that each option states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from nasviz.errors import InputError


@dataclass(frozen=True)
class Observed:
    """Shares and rates seen on held-out text, each None where it wasn't measured.

    exit_shares: the share of tokens that left at each exit, the last one at the whole model.
    routed_share: the share of tokens that a routed layer computed, the mean over routed layers.
    answered_share: the share of tokens that a cascade's small model answered.
    experts_per_token: experts that a token went through, the mean in each layer that was reached.
    tokens_per_round: tokens that a round of guesses and its check gave, on average.
    """

    exit_shares: tuple[float, ...] | None = None
    tokens_per_round: float | None = None
    routed_share: float | None = None
    answered_share: float | None = None
    experts_per_token: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.exit_shares is not None:
            total = sum(self.exit_shares)
            if min(self.exit_shares, default=-1) < 0 or abs(total - 1) > 1e-6:
                raise InputError(f"exit_shares={self.exit_shares} do not add up to 1")
        if self.tokens_per_round is not None and not self.tokens_per_round >= 1:
            raise InputError(f"tokens_per_round={self.tokens_per_round} is less than one")
        if self.routed_share is not None and not 0 <= self.routed_share <= 1:
            raise InputError(f"routed_share={self.routed_share} is no share, 0 to 1")
        if self.answered_share is not None and not 0 <= self.answered_share <= 1:
            raise InputError(f"answered_share={self.answered_share} is no share, 0 to 1")
        if self.experts_per_token is not None and not min(self.experts_per_token, default=0) >= 1:
            raise InputError(f"experts_per_token={self.experts_per_token} are not 1 or more each")

    def to_json(self) -> dict[str, Any]:
        """Return what was measured, by name."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in said.items()
            if value is not None
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Observed:
        """Return what `to_json` wrote."""
        shares, experts = data.get("exit_shares"), data.get("experts_per_token")
        return cls(
            None if shares is None else tuple(shares),
            tokens_per_round=data.get("tokens_per_round"),
            routed_share=data.get("routed_share"),
            answered_share=data.get("answered_share"),
            experts_per_token=None if experts is None else tuple(experts),
        )


NOTHING = Observed()
