"""Learning-rate rules: pure functions from sizes to peak rates, and the schedule over a run.

A search that trains every candidate with one rate ranks rates, not architectures. Each rule
below says how the rate moves away from the reference sizes (4 layers, 128 wide), where it was
tuned; `tests/benchmarks/learning_rate_rules.py` sweeps them at the corners of a space.

- "standard": one rate for all sizes (what most scripts do).
- "width": muP (Yang et al. 2022, arXiv:2203.03466). AdamW's rate for hidden matrices and for an
  untied head falls as 1/width. Muon's matrices need no such factor: under every rule their update
  is scaled by √(rows/columns), which keeps its effect on activations the same at every width
  (Bernstein 2025, "Deriving Muon").
- "width_depth": also, as CompleteP (Dey et al. 2025, arXiv:2505.01618), each block adds
  1/depth as much. Since the matrices that write into the residual stream start at zero, the
  multiplier folds into their rate, and the exported weights need none.

The default is "width": over 1 × 64, 1 × 192, 8 × 64 and 8 × 192 (layers × width, untied heads,
40,000 tokens, two seeds, Muon, rates from a quarter to four times the tuned ones) its mean regret
at its best shared rate, twice the tuned one for so short a run, was 0.005 bits per byte (largest
0.020), against 0.023 of "standard" and 0.028 of "width_depth"; at the tuned rate 0.054, 0.068 and
0.062. With Muon and tied embeddings "width" and "standard" are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from nasviz.space.architecture import Architecture
from nasviz.training.plan import OptimizerName, RuleName, TrainingPlan

REFERENCE_WIDTH = 128
REFERENCE_DEPTH = 4

# At the reference sizes with ReLU², on the last tenth of tinyshakespeare's training part (500 × 48
# windows, one seed), 0.018 with 5e-3 came to 2.210 bits per byte, 0.024 with 6e-3 to 2.212 and
# 0.018 with 1e-2 to 2.224; 600 × 40 windows at 0.018 with 5e-3 came to 2.207.
MUON_RATE = 0.018
MUON_VECTOR_RATE = 5e-3
ADAMW_RATE = 4e-3


@dataclass(frozen=True)
class Rates:
    """Peak learning rates by the role of a parameter, and the rule that gave them.

    `matrices` are the blocks' matrices, `outputs` those of them that write into the residual
    stream, `embeddings` the tables (a tied head included), `head` an untied head, `vectors` the
    norms, biases and routers.
    """

    rule: str
    optimizer: OptimizerName
    matrices: float
    outputs: float
    embeddings: float
    head: float
    vectors: float


def rates(architecture: Architecture, plan: TrainingPlan) -> Rates:
    """Return the peak rates of `plan` for `architecture`.

    A `learning_rate` of the plan replaces the tuned rate of the matrices, and every other rate
    keeps its ratio to it; the rule is applied on top of the tuned rates only. Its `rate_share`
    multiplies all of them.
    """
    share = 1.0 if plan.rate_share is None else plan.rate_share
    tuned = MUON_RATE if plan.optimizer == "muon" else ADAMW_RATE
    vector_rate = share * (MUON_VECTOR_RATE if plan.optimizer == "muon" else ADAMW_RATE)
    if plan.learning_rate is not None:
        ratio = plan.learning_rate / tuned
        return by_role("given", plan.optimizer, share * plan.learning_rate, vector_rate * ratio)
    width, depth = multipliers(architecture, plan.learning_rate_rule)
    return by_role(
        plan.learning_rate_rule,
        plan.optimizer,
        share * tuned,
        vector_rate,
        width=width,
        depth=depth,
    )


def multipliers(architecture: Architecture, rule: RuleName) -> tuple[float, float]:
    """Return what `rule` multiplies width-sensitive and depth-sensitive rates by."""
    width = 1.0 if rule == "standard" else REFERENCE_WIDTH / architecture.d_model
    depth = REFERENCE_DEPTH / architecture.n_layers if rule == "width_depth" else 1.0
    return width, depth


def by_role(
    rule: str,
    optimizer: OptimizerName,
    matrix_rate: float,
    vector_rate: float,
    *,
    width: float = 1.0,
    depth: float = 1.0,
) -> Rates:
    """Return the rates by role, given the multipliers of `multipliers`."""
    matrices = matrix_rate if optimizer == "muon" else matrix_rate * width
    return Rates(
        rule=rule,
        optimizer=optimizer,
        matrices=matrices,
        outputs=matrices * depth,
        embeddings=vector_rate,
        head=vector_rate * width,
        vectors=vector_rate,
    )


def schedule(share: float, warmup_share: float, decay_share: float) -> float:
    """Return the factor of the peak rate after `share` of the run: up, constant, down to zero.

    >>> [schedule(share, 0.1, 0.5) for share in (0.0, 0.05, 0.3, 0.75, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if share < warmup_share:
        return share / warmup_share
    if share > 1.0 - decay_share:
        return max(0.0, (1.0 - share) / decay_share)
    return 1.0
