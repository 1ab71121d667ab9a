"""What a training run says while it runs and at its end. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Command = Literal["go", "pause", "cancel"]
Control = Callable[[], Command]


@dataclass(frozen=True)
class Progress:
    """Where a run stands after `step` of `n_steps` updates.

    `loss` is the batch's mean in nats a token; `bits_per_byte` an estimate on a fixed sample of
    the *search* part, None between two evaluations; `seconds` counts the run's own time, pauses
    and scoring left out; `memory_bytes` is this process's resident memory.
    """

    step: int
    n_steps: int
    tokens: int
    loss: float
    bits_per_byte: float | None
    tokens_per_s: float
    eta_s: float
    memory_bytes: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


Report = Callable[[Progress], None]
