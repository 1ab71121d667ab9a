"""`PerLayer`: what is asked of a pruned model whose layers may differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Literal, get_args

from nasviz.errors import InputError, check_names
from nasviz.space.field import Field, choice, integer
from nasviz.space.replacement.choices import GRIDS, GridName

Scores = Literal["shared", "local"]
SCORES: tuple[Scores, ...] = get_args(Scores)

_PUZZLE = "Bercovich et al. 2024, Puzzle, arXiv:2411.19146"

PER_LAYER_FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        field.name: field
        for field in (
            choice(
                "scores", "Scores", SCORES,
                "How a layer's replacement is judged: cut out of the layer as it is (shared), or "
                "taught first to do what the layer did (local), which takes longer and starts "
                "nearer to the parent.",
                _PUZZLE, "local",
            ),
            choice(
                "grid", "Replacements", tuple(GRIDS),
                "What a layer may keep of its heads and of its feed-forward units: all, half or "
                "none, or every quarter.",
                _PUZZLE, "halves",
            ),
            integer(
                "local_steps", "Steps of a layer", 1, 10**6,
                "How many steps a replacement is taught to do what the layer did.",
                _PUZZLE, default=100,
            ),
        )
    }
)  # fmt: skip

_LIMITS = ("max_parameters", "max_time_per_token_s", "max_memory_bytes")


@dataclass(frozen=True)
class PerLayer:
    """Limits that a pruned model must keep, whatever becomes of each of its layers.

    One limit at the least: `max_parameters` weights, `max_time_per_token_s` seconds of a written
    token, `max_memory_bytes` of weights and of the cache after a request. Seconds and bytes are the
    cost model's for its usual workload. Raises `InputError` without a limit, and for values out of
    range.
    """

    max_parameters: float | None = None
    max_time_per_token_s: float | None = None
    max_memory_bytes: float | None = None
    scores: Scores = "local"
    grid: GridName = "halves"
    local_steps: int = 100

    def __post_init__(self) -> None:
        for name, field in PER_LAYER_FIELDS.items():
            object.__setattr__(self, name, field.check(getattr(self, name), "per layer"))
        for name in _LIMITS:
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 < value < math.inf):
                raise InputError(f"per layer: {name}={value!r} is no positive number")
        if not self.limits:
            raise InputError(f"per layer: no limit is given; say one of {', '.join(_LIMITS)}")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are given, by name."""
        given = {name: getattr(self, name) for name in _LIMITS}
        return {name: value for name, value in given.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Return every setting by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> PerLayer:
        """Return the settings that `data`, a mapping, names; raises `InputError`."""
        if not isinstance(data, Mapping):
            raise InputError(f"per layer is an object of settings, not {data!r}")
        check_names("per-layer setting", data, [field.name for field in fields(cls)])
        return cls(**data)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
