"""Orders to the process that says what a model's parts are worth, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nasviz.space.kept import Kept
from nasviz.space.measurement import Method

# Of the calibration part: what is chosen is chosen there, and the test part is left to report on.
# As much as exits are traced on, so that both can be compared.
SCORED_BYTES = 1 << 16


@dataclass(frozen=True)
class MeasureOrder:
    """Measure the parts of the model in `folder` by `method` on the text it learned from.

    The measurement is stored beside the weights.
    """

    folder: str
    corpus: str
    method: Method


@dataclass(frozen=True)
class ScoreOrder:
    """Score what is left of the model in `folder` when exactly these parts are kept, unhealed."""

    folder: str
    corpus: str
    kept: Kept


Order = MeasureOrder | ScoreOrder


@dataclass(frozen=True)
class Appraisal:
    """How order `number` stands: what `share` of it is done, and whether it is all or `failed`.

    bits_per_byte, tokens: of a score, on the first `SCORED_BYTES` of the calibration part.
    seconds: what the order took. stopped: it was asked to end before.
    """

    number: int
    share: float = 0.0
    bits_per_byte: float | None = None
    tokens: int = 0
    seconds: float = 0.0
    done: bool = False
    stopped: bool = False
    failed: str = ""

    @property
    def ended(self) -> bool:
        """Whether no more comes."""
        return self.done or self.stopped or bool(self.failed)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Appraisal:
        """Return what `to_json` wrote."""
        return cls(**data)


def order_to_json(order: Order) -> dict[str, Any]:
    """Return an order as plain values."""
    if isinstance(order, MeasureOrder):
        return {"measure": dict(vars(order))}
    return {"score": {**vars(order), "kept": order.kept.to_json()}}


def order_from_json(data: Mapping[str, Any]) -> Order:
    """Return what `order_to_json` wrote."""
    if "measure" in data:
        return MeasureOrder(**data["measure"])
    given = data["score"]
    return ScoreOrder(**{**given, "kept": Kept.from_json(given["kept"])})
