"""`Quality`: how good a candidate is, where that is known from, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from nasviz.errors import InputError, check_names, unknown_name

Source = Literal["prior", "proxy", "shared weights", "surrogate", "trained"]
SOURCES: tuple[str, ...] = get_args(Source)


@dataclass(frozen=True)
class Quality:
    """Bits per byte of held-out text, with its interval and its source.

    `low` and `high` bound the bits per byte (nine times in ten, if `note` says nothing else).
    `perplexity` and `accuracy` are per token and so belong to one vocabulary; None if unknown.
    """

    bits_per_byte: float
    low: float
    high: float
    source: Source
    perplexity: float | None = None
    accuracy: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise unknown_name("source of a quality", self.source, SOURCES)
        for name in ("bits_per_byte", "low", "high"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise InputError(f"{name}={value!r} is not a number of bits per byte")
        if not self.low <= self.bits_per_byte <= self.high:
            raise InputError(
                f"bits_per_byte={self.bits_per_byte:g} lies outside its interval "
                f"{self.low:g} to {self.high:g}"
            )
        if self.accuracy is not None and not 0 <= self.accuracy <= 1:
            raise InputError(f"accuracy={self.accuracy!r} is not a share from 0 to 1")

    def to_json(self) -> dict[str, Any]:
        """Return every field by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Quality:
        """Return the quality that `data` describes; raises `InputError` where it is wrong."""
        names = tuple(cls.__dataclass_fields__)
        if not isinstance(data, Mapping):
            raise InputError(f"a quality is an object, not {data!r}")
        check_names("quality key", data, names)
        missing = [name for name in names[:4] if name not in data]
        if missing:
            raise InputError(f"the quality lacks {', '.join(missing)}")
        return cls(**data)
