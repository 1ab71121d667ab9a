"""The DeepSpeed configuration that a plan becomes, for the engine and for people to read."""

from __future__ import annotations

from typing import Any

from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import Recipe

# DeepSpeed prints a line every so many steps; progress is reported by us.
NEVER = 1_000_000_000


def deepspeed_config(plan: TrainingPlan, recipe: Recipe) -> dict[str, Any]:
    """Return the configuration that `deepspeed.initialize` gets for `plan` and its recipe.

    The optimizer is not in it: it is handed over as an object whose groups follow the *role* of
    each parameter (`nasviz.training.optimizer`), where a configuration would choose by its name.
    Precision "auto" reads as fp32 here and is settled on the device that trains.
    """
    config: dict[str, Any] = {
        "train_batch_size": recipe.batch_size,
        "train_micro_batch_size_per_gpu": recipe.micro_batch_size,
        "gradient_accumulation_steps": plan.gradient_accumulation,
        # Said even when it is 0.0: left out, DeepSpeed clips at 1.0.
        "gradient_clipping": plan.clipping,
        "zero_optimization": _zero(plan),
        "zero_allow_untested_optimizer": True,
        # Offloaded state is updated by our optimizer too; DeepSpeed's own needs a compiler.
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": NEVER,
        "wall_clock_breakdown": False,
    }
    if plan.precision in ("bf16", "fp16"):
        # Weights and the optimizer's state stay fp32; matrix products run in 16 bits.
        dtype = {"bf16": "bfloat16", "fp16": "float16"}[plan.precision]
        config["torch_autocast"] = {"enabled": True, "dtype": dtype}
    return config


def _zero(plan: TrainingPlan) -> dict[str, Any]:
    zero: dict[str, Any] = {"stage": plan.zero_stage}
    if plan.offload:
        zero["offload_optimizer"] = {"device": "cpu"}
    return zero
