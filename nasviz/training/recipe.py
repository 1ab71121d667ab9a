"""`Recipe`: what a plan comes to for one architecture, in numbers. No torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.training.learning_rate import Rates, rates
from nasviz.training.plan import DEFAULT_TOKENS, TrainingPlan

# One update sees this many tokens at the default budget; a larger budget has larger updates,
# growing with its square root (McCandlish et al. 2018, arXiv:1812.06162, figure 4; Zhang et al.
# 2024, arXiv:2410.21676: the critical batch grows with the data, not with the model).
DEFAULT_BATCH_TOKENS = 2_560
LEAST_BATCH_TOKENS = 256

# Steps that a budget in seconds is thought to have until its first steps have been timed.
ASSUMED_STEPS = 1_000


@dataclass(frozen=True)
class Recipe:
    """A plan with everything that followed from something else filled in.

    `n_steps` is an assumption for a budget in seconds, whose run ends by the clock. `rates` holds
    the peak learning rates by role and the rule they came from. `balance_loss` is the weight of the
    experts' load-balancing loss, 0 for a model without experts.
    """

    batch_size: int
    micro_batch_size: int
    tokens_per_step: int
    n_steps: int
    evaluation_every: int
    warmup_share: float
    decay_share: float
    rates: Rates
    balance_loss: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def recipe_for(
    architecture: Architecture,
    plan: TrainingPlan,
    *,
    bytes_per_token: float = 1.0,
    flops_per_token: float | None = None,
) -> Recipe:
    """Return the recipe that `plan` comes to for `architecture`.

    `bytes_per_token` (mean over the training text) is what a budget in bytes is divided by,
    `flops_per_token` (of training, see `flops_per_token_of`) what one in FLOPs is divided by.
    """
    kind, amount = plan.budget
    tokens = _tokens(architecture, plan, bytes_per_token, flops_per_token)
    batch_size = plan.batch_size or _batch_size(architecture, plan, tokens)
    tokens_per_step = batch_size * architecture.context_length
    if kind == "steps":
        n_steps = int(amount)
    elif kind == "seconds":
        n_steps = ASSUMED_STEPS
    else:
        n_steps = max(1, round(tokens / tokens_per_step))
    return Recipe(
        batch_size=batch_size,
        micro_batch_size=batch_size // (plan.devices * plan.gradient_accumulation),
        tokens_per_step=tokens_per_step,
        n_steps=n_steps,
        evaluation_every=plan.evaluation_every or max(1, math.ceil(n_steps / 8)),
        warmup_share=plan.warmup_share,
        decay_share=plan.decay_share,
        rates=rates(architecture, plan),
        balance_loss=plan.balance_loss if architecture.experts > 1 else 0.0,
    )


def _tokens(
    architecture: Architecture,
    plan: TrainingPlan,
    bytes_per_token: float,
    flops_per_token: float | None,
) -> float:
    """Return the tokens that the budget pays for; the default where only the clock knows."""
    kind, amount = plan.budget
    if kind == "tokens":
        return amount
    if kind == "bytes":
        return amount / bytes_per_token
    if kind == "flops":
        return amount / (flops_per_token or flops_per_token_of(architecture))
    if kind == "steps":
        # n steps of batch B(D) = B0·√(D/D0) make D tokens: D = (n·B0)² / D0.
        return (amount * DEFAULT_BATCH_TOKENS) ** 2 / DEFAULT_TOKENS
    return DEFAULT_TOKENS


def _batch_size(architecture: Architecture, plan: TrainingPlan, tokens: float) -> int:
    """Return the sequences of one update: a whole number of them for every device and part."""
    wanted = max(LEAST_BATCH_TOKENS, DEFAULT_BATCH_TOKENS * math.sqrt(tokens / DEFAULT_TOKENS))
    shares = plan.devices * plan.gradient_accumulation
    return shares * max(1, round(wanted / architecture.context_length / shares))


def flops_per_token_of(model: Architecture | Candidate) -> float:
    """Return the floating-point operations of training on one token, forward and backward."""
    from nasviz.cost.estimate import estimate

    return float(estimate(model).flops.training_per_token)
