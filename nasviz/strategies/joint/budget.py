"""What trials spend, in floating-point operations: the budget that every arm gets.

Training counts forward, backward and the exits' heads (`Flops.training_per_token`); a pass over
held-out text counts a third of training on the same tokens, its forward part. What a failed or
cancelled trial had trained on counts. The one look at 8,192 held-out tokens with which every run
ends (for its curve) is the same for all and left out.
"""

from __future__ import annotations

import numpy as np

from nasviz.cost.columns import cost_columns
from nasviz.cost.estimate import estimate
from nasviz.space.candidate import Candidate
from nasviz.space.search_space import SearchSpace
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import flops_per_token_of

SAMPLES = 1_000  # candidates of the space among which the typical and the dearest are looked for


def spent(study: Study, trial: Trial) -> float:
    """Return the FLOPs that a finished trial took."""
    if trial.state == "complete":
        return flops_of(trial.candidate, trial.result["tokens"], trial.result["held_out_inputs"])
    trained = study.curve(trial.number)["tokens"]
    return flops_of(trial.candidate, float(trained[-1]) if len(trained) else 0.0, 0)


def flops_of(candidate: Candidate, tokens: float, held_out_inputs: float) -> float:
    """Return the FLOPs of training on `tokens` and of reading `held_out_inputs` forward only."""
    return flops_per_token_of(candidate) * (tokens + held_out_inputs / 3)


def typical_training(space: SearchSpace, plan: TrainingPlan) -> float:
    """Return the FLOPs of training the space's typical candidate: the median of a sample."""
    table = space.sample(SAMPLES, seed=0, cost=cost_columns(names=space.cost_names))
    tokens = plan.budget[1]
    return float(np.median(estimate(table).flops.training_per_token)) * tokens


def dearest_decoding(space: SearchSpace) -> float:
    """Return the most FLOPs a generated token that any candidate of a sample takes."""
    table = space.sample(SAMPLES, seed=0, cost=cost_columns(names=space.cost_names))
    return float(np.max(estimate(table).flops.decode_per_token))
