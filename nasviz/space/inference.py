"""`InferencePolicy`: how a model is run. Neutral for now: the static model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nasviz.errors import InputError, unknown_name


@dataclass(frozen=True)
class InferencePolicy:
    """How a model is run: a composition of options, of which there are none yet.

    `InferencePolicy()` is neutral: every layer, every token, every weight, the whole cache.
    """

    def to_json(self) -> dict[str, object]:
        """Return one key an option that is on; `{}` is the static model."""
        return {}

    @classmethod
    def from_json(cls, data: object) -> InferencePolicy:
        """Return the policy that `data` describes; raises `InputError` for unknown options."""
        if not isinstance(data, Mapping):
            raise InputError(f"an inference policy is an object of options, not {data!r}")
        for name in data:
            raise unknown_name("inference option", name, ())
        return cls()
