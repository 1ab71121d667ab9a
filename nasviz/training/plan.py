"""`TrainingPlan`: how much and how a candidate is trained. No torch, no DeepSpeed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from nasviz.errors import InputError, check_names
from nasviz.space.field import Value
from nasviz.training.fields import BUDGETS, PLAN_FIELDS

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture

DEFAULT_TOKENS = 1_536_000

OptimizerName = Literal["muon", "adamw"]
RuleName = Literal["standard", "width", "width_depth"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Measured = Literal["everything", "quality"]


@dataclass(frozen=True)
class TrainingPlan:
    """How much and how a candidate is trained: frozen, checked, to JSON and back.

    The budget is one of `tokens`, `bytes` (of text), `steps`, `seconds`, `flops`; with none of
    them it is 1,536,000 tokens. A setting that is None follows from architecture and budget (see
    `nasviz.training.recipe`). `batch_size` counts the sequences of one update over all devices.

    Raises `InputError` for values out of range or settings that don't go together.

    >>> TrainingPlan(steps=100).budget
    ('steps', 100)
    >>> TrainingPlan(steps=100).with_(tokens=5_000).budget
    ('tokens', 5000)
    """

    tokens: int | None = None
    bytes: int | None = None
    steps: int | None = None
    seconds: float | None = None
    flops: float | None = None
    batch_size: int | None = None
    gradient_accumulation: int = 1
    optimizer: OptimizerName = "muon"
    learning_rate: float | None = None
    learning_rate_rule: RuleName = "width"
    rate_share: float | None = None
    weight_decay: float = 0.0
    warmup_share: float = 0.01
    decay_share: float = 0.5
    clipping: float = 0.0
    exit_loss: float = 1.0
    balance_loss: float = 0.01
    layer_dropout: float = 0.0
    distillation: float = 0.0
    temperature: float = 1.0
    hidden_distillation: float = 0.0
    quantization_aware: bool = False
    lora_rank: int = 0
    precision: Precision = "auto"
    zero_stage: int = 0
    offload: bool = False
    activation_checkpointing: bool = False
    devices: int = 1
    evaluation_every: int | None = None
    measured: Measured = "everything"
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, field in PLAN_FIELDS.items():
            value = getattr(self, name)
            if value is None and field.default is None:
                continue
            object.__setattr__(self, name, field.check(value, "training plan"))
        self._check_budget()
        self._check_fit()

    def _check_budget(self) -> None:
        given = [name for name in BUDGETS if getattr(self, name) is not None]
        if not given:
            object.__setattr__(self, "tokens", DEFAULT_TOKENS)
        if len(given) > 1:
            shown = " and ".join(f"{name}={getattr(self, name):g}" for name in given)
            raise InputError(f"training plan: one budget at a time, not {shown}; drop all but one")

    def _check_fit(self) -> None:
        if self.warmup_share + self.decay_share > 1:
            raise InputError(
                f"training plan: warmup_share={self.warmup_share:g} and "
                f"decay_share={self.decay_share:g} are more than the whole run; "
                "their sum is at most 1"
            )
        if self.optimizer == "muon" and self.zero_stage == 3:
            raise InputError(
                "training plan: optimizer='muon' needs whole matrices and zero_stage=3 keeps only "
                "slices of them; choose zero_stage=2, or optimizer='adamw'"
            )
        if self.lora_rank and self.zero_stage == 3:
            raise InputError(
                f"training plan: lora_rank={self.lora_rank} adds to whole matrices and "
                "zero_stage=3 keeps only slices of them; choose zero_stage=2"
            )
        if self.lora_rank and self.quantization_aware:
            raise InputError(
                f"training plan: lora_rank={self.lora_rank} corrects matrices that are rounded "
                "before it does, and is rounded with them after; drop one of lora_rank and "
                "quantization_aware"
            )
        if self.offload and self.zero_stage == 0:
            raise InputError(
                "training plan: offload=True needs a ZeRO stage; choose zero_stage=1 or higher"
            )
        shares = self.devices * self.gradient_accumulation
        if self.batch_size is not None and self.batch_size % shares:
            above = -(-self.batch_size // shares) * shares
            raise InputError(
                f"training plan: batch_size={self.batch_size} does not split into "
                f"devices={self.devices} × gradient_accumulation={self.gradient_accumulation}; "
                f"nearest above: {above}"
            )

    @property
    def budget(self) -> tuple[str, int | float]:
        """The budget's kind and amount, such as `("tokens", 1536000)`."""
        for name in BUDGETS:
            amount: int | float | None = getattr(self, name)
            if amount is not None:
                return name, amount
        raise AssertionError("a checked plan has a budget")

    @property
    def has_teacher(self) -> bool:
        """Whether a pruned model learns from its parent, which is then held beside it."""
        return bool(self.distillation or self.hidden_distillation)

    @property
    def needs_parent(self) -> bool:
        """Whether it says how a pruned model learns, and so makes no sense for a new one."""
        return self.has_teacher or bool(self.lora_rank)

    def with_(self, **changes: Value | None) -> TrainingPlan:
        """Return a copy with some settings changed; a new budget replaces the old one."""
        check_names("training setting", changes, PLAN_FIELDS)
        settings: dict[str, Any] = dict(changes)
        if any(settings.get(name) is not None for name in BUDGETS):
            settings = {**dict.fromkeys(BUDGETS), **settings}
        return replace(self, **settings)

    def to_json(self) -> dict[str, Value]:
        """Return the settings that are set, by name; what follows from others is left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, data: object) -> TrainingPlan:
        """Return the plan that `data`, a mapping of settings, describes.

        Raises `InputError` for unknown keys and wrong values.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"a training plan is an object of settings, not {data!r}")
        check_names("training setting", data, PLAN_FIELDS)
        return cls(**data)

    def deepspeed_config(
        self, architecture: Architecture, *, bytes_per_token: float = 1.0
    ) -> dict[str, Any]:
        """Return the DeepSpeed configuration that this plan becomes for `architecture`.

        `bytes_per_token` is the text's mean; the batch of a budget in bytes depends on it.
        """
        # Imported here because these modules need this one's `TrainingPlan`.
        from nasviz.training.deepspeed_config import deepspeed_config
        from nasviz.training.recipe import recipe_for

        recipe = recipe_for(architecture, self, bytes_per_token=bytes_per_token)
        return deepspeed_config(self, recipe)
