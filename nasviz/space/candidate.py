"""`Candidate`: one architecture with one way of running it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from nasviz.errors import InputError, check_names
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy


@dataclass(frozen=True)
class Candidate:
    """One `Architecture` with one `InferencePolicy`; raises `InputError` where they don't fit."""

    architecture: Architecture
    inference: InferencePolicy = field(default_factory=InferencePolicy)

    def __post_init__(self) -> None:
        self.inference.check_fits(self.architecture)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that name this candidate: equal for equal candidates."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, object]:
        """Return `{"architecture": {...}, "inference": {...}}`."""
        return {
            "architecture": self.architecture.to_json(),
            "inference": self.inference.to_json(),
        }

    @classmethod
    def from_json(cls, data: object) -> Candidate:
        """Return the candidate that `data` describes; raises `InputError` where it is wrong."""
        if not isinstance(data, Mapping):
            raise InputError(f'a candidate is {{"architecture": {{…}}}}, not {data!r}')
        check_names("candidate key", data, ("architecture", "inference"))
        if "architecture" not in data:
            raise InputError('a candidate needs "architecture": {"n_layers": …, …}')
        return cls(
            Architecture.from_json(data["architecture"]),
            InferencePolicy.from_json(data.get("inference", {})),
        )
