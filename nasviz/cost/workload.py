"""`Workload`: what is asked of a model, in serving and in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from nasviz.cost.workload_fields import WORKLOAD_FIELDS
from nasviz.errors import InputError, check_names

Precision = Literal["fp32", "bf16", "fp16", "fp8", "int8", "int4"]
Optimizer = Literal["adamw", "muon"]
Offload = Literal["none", "optimizer", "all"]

# Bytes of one stored weight.
WEIGHT_BYTES: Mapping[str, float] = MappingProxyType(
    {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1, "int4": 0.5}
)
# Bytes of one activation or cached key: int8, int4 and fp8 are ways to store *weights*; the
# arithmetic around them and the cache stay in 16 bits (as in weight-only quantisation, e.g.
# Frantar et al. 2023, GPTQ, arXiv:2210.17323).
ACTIVATION_BYTES: Mapping[str, int] = MappingProxyType(
    {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 2, "int8": 2, "int4": 2}
)
PRECISIONS = tuple(WEIGHT_BYTES)


@dataclass(frozen=True)
class Workload:
    """What is asked of a model.

    Serving: `batch` requests at a time, each of `prompt_tokens` read and `generated_tokens`
    written, in `precision`; `requests` in all over the model's life. A prompt longer than a
    candidate's context is cut to it, so that one workload can be asked of many candidates.

    Training: on `training_tokens` tokens; None means `tokens_per_parameter` for each active
    weight (20: Hoffmann et al. 2022, arXiv:2203.15556), or, where `target_loss` is set, as many
    as that law, in its corrected fit (`nasviz.chinchilla`), needs to reach that loss (nats a
    token). Each device holds `training_batch` sequences; `zero_stage`, `offload` and `devices`
    are DeepSpeed's.

    Raises `InputError` for a value that is no workload.
    """

    prompt_tokens: int = 256
    generated_tokens: int = 128
    batch: int = 1
    precision: Precision = "fp32"
    requests: int = 1_000_000
    training_tokens: int | None = None
    tokens_per_parameter: float = 20.0
    target_loss: float | None = None
    training_precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    training_batch: int = 8
    optimizer: Optimizer = "muon"
    zero_stage: int = 0
    offload: Offload = "none"
    devices: int = 1
    activation_checkpointing: bool = False

    def __post_init__(self) -> None:
        for name, field in WORKLOAD_FIELDS.items():
            value = getattr(self, name)
            if value is not None or field.default is not None:
                object.__setattr__(self, name, field.check(value))
        least = {"none": 0, "optimizer": 1, "all": 3}[self.offload]
        if self.zero_stage < least:
            raise InputError(
                f"offload={self.offload!r} needs zero_stage {least} or more, not {self.zero_stage}"
            )

    @property
    def tokens_per_request(self) -> int:
        """Tokens read and written in one request."""
        return self.prompt_tokens + self.generated_tokens

    @property
    def decode_position(self) -> int:
        """The token whose step stands for all generated ones: the middle one, counted from 1.

        Its attention sees `prompt_tokens + (generated_tokens + 1) // 2` keys, its own included
        (fewer where the context or a sliding window is shorter). With one generated token it is
        the first step after the prompt.
        """
        return self.prompt_tokens + (self.generated_tokens + 1) // 2

    def fitted_to(self, context_length: int) -> Workload:
        """Return this workload with prompt and generation cut so that they fit a context."""
        if self.tokens_per_request <= context_length:
            return self
        generated = max(1, min(self.generated_tokens, context_length // 3))
        prompt = max(1, min(self.prompt_tokens, context_length - generated))
        return replace(self, prompt_tokens=prompt, generated_tokens=generated)

    def with_(self, **changes: Any) -> Workload:
        """Return a copy with some values changed; raises `InputError` for unknown names."""
        check_names("workload value", changes, WORKLOAD_FIELDS)
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return every value by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Workload:
        """Return the workload that `data`, a mapping, describes; what it lacks is default."""
        if not isinstance(data, Mapping):
            raise InputError(f"a workload is an object of values, not {data!r}")
        check_names("workload value", data, WORKLOAD_FIELDS)
        return cls(**data)
