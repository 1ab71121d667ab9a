"""What the writer reports of its texts, as plain values that travel between two processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nasviz.space.inference import InferencePolicy


@dataclass(frozen=True)
class WriteOrder:
    """Write `n_tokens` tokens after `prompt`, once under each of `policies`, in turn.

    `folder` is the trained model's. Each text draws from `seed` alone.
    """

    folder: str
    prompt: str
    n_tokens: int
    policies: tuple[InferencePolicy, ...]
    temperature: float = 0.8
    seed: int = 0


@dataclass(frozen=True)
class ReplayOrder:
    """Write text number `text` anew from its token `at` on, as it was and under `policy`, in turn.

    A token that was written in a round of guesses is written anew from the round's first token on.
    """

    text: int
    at: int
    policy: InferencePolicy


@dataclass(frozen=True)
class Written:
    """One text as far as it is written: its new tokens' bytes, and how they came.

    depths: after how many of `n_layers` layers each token was decided. token_s: seconds from one
    token to the next, None before the second. average_layers, token_s: of a replay, from where it
    begins. acceptance, tokens_per_round: of a policy that guesses, else None. prompt_cut, rereads:
    as `nasviz.model.generate.Generation` has them.
    """

    pieces: tuple[bytes, ...] = ()
    depths: tuple[int, ...] = ()
    n_layers: int = 1
    token_s: float | None = None
    average_layers: float = 0.0
    acceptance: float | None = None
    tokens_per_round: float | None = None
    prompt_cut: int = 0
    rereads: int = 0

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second; None before the second token."""
        return 1 / self.token_s if self.token_s else None

    def to_json(self) -> dict[str, Any]:
        """Return plain values; a byte is the character of its number."""
        return {**asdict(self), "pieces": [each.decode("latin-1") for each in self.pieces]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Written:
        """Return what `to_json` wrote."""
        pieces = tuple(each.encode("latin-1") for each in data["pieces"])
        return cls(**{**data, "pieces": pieces, "depths": tuple(data["depths"])})


@dataclass(frozen=True)
class Report:
    """How order `number` stands: its texts so far, and whether it is `done` or `failed` (why).

    begin: the token that a replay began with, 0 elsewhere. parted_at: where two texts differ, None
    where they don't. stopped: it was asked to end before all was written.
    """

    number: int
    texts: tuple[Written, ...] = ()
    done: bool = False
    stopped: bool = False
    begin: int = 0
    parted_at: int | None = None
    failed: str = ""

    @property
    def ended(self) -> bool:
        """Whether no more comes."""
        return self.done or bool(self.failed)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "texts": [each.to_json() for each in self.texts]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """Return what `to_json` wrote."""
        return cls(**{**data, "texts": tuple(map(Written.from_json, data["texts"]))})


Order = WriteOrder | ReplayOrder


def order_to_json(order: Order) -> dict[str, Any]:
    """Return an order as plain values."""
    if isinstance(order, ReplayOrder):
        return {"replay": {**vars(order), "policy": order.policy.to_json()}}
    return {"write": {**vars(order), "policies": [each.to_json() for each in order.policies]}}


def order_from_json(data: Mapping[str, Any]) -> Order:
    """Return what `order_to_json` wrote."""
    if "replay" in data:
        given = data["replay"]
        return ReplayOrder(**{**given, "policy": InferencePolicy.from_json(given["policy"])})
    given = data["write"]
    policies = tuple(map(InferencePolicy.from_json, given["policies"]))
    return WriteOrder(**{**given, "policies": policies})
