"""`Observed`: what running a policy on held-out text showed, which an expected cost is weighted by.

Without it a cost rests on the priors that each option states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nasviz.errors import InputError


@dataclass(frozen=True)
class Observed:
    """Shares and rates seen on held-out text, each None where it wasn't measured.

    exit_shares: the share of tokens that left at each exit, the last one at the whole model.
    """

    exit_shares: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.exit_shares is not None:
            total = sum(self.exit_shares)
            if min(self.exit_shares, default=-1) < 0 or abs(total - 1) > 1e-6:
                raise InputError(f"exit_shares={self.exit_shares} do not add up to 1")

    def to_json(self) -> dict[str, Any]:
        """Return what was measured, by name."""
        return {} if self.exit_shares is None else {"exit_shares": list(self.exit_shares)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Observed:
        """Return what `to_json` wrote."""
        shares = data.get("exit_shares")
        return cls(None if shares is None else tuple(shares))


NOTHING = Observed()
