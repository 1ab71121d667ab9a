"""The default recipe as a plain PyTorch loop: what DeepSpeed's engine is held against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.training.job import Job
from nasviz.training.learning_rate import Rates, schedule
from nasviz.training.optimizer import build_optimizer, set_rates
from nasviz.training.plan import TrainingPlan
from nasviz.training.windows import batch


def byte_job(text: Path, architecture: Architecture, plan: TrainingPlan) -> Job:
    """Return a job on the bytes of `text`, whose last 10% nothing here reads.

    Trained on is the first 90% of the rest, and looked at the last 10% of it.
    """
    data = np.frombuffer(text.read_bytes(), dtype=np.uint8)
    training = data[: len(data) * 9 // 10]
    cut = len(training) * 9 // 10
    return Job(
        candidate=Candidate(architecture),
        plan=plan,
        train=training[:cut],
        held_out=training[cut:],
        token_bytes=np.ones(256, dtype=np.int64),
        directory=text.parent,
    )


def bare_steps(job: Job, model: Transformer, rates: Rates) -> Iterator[float]:
    """Make one update of `model` for each value taken; yield the loss before it, in nats."""
    recipe, length = job.recipe, job.architecture.context_length
    optimizer = build_optimizer(model, rates, job.plan.weight_decay)
    model.train()
    for step in range(recipe.n_steps):
        share = step / recipe.n_steps
        set_rates(optimizer, schedule(share, recipe.warmup_share, recipe.decay_share))
        arrays = batch(
            job.train, length, job.plan.seed, step * recipe.batch_size, recipe.batch_size
        )
        inputs, targets = (torch.from_numpy(each) for each in arrays)
        loss = cross_entropy(model(inputs).flatten(0, 1).float(), targets.flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield loss.item()
