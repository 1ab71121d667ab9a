"""Nested training: a slice of a model that was trained with the sandwich rule, and of one without.

Run: python tests/benchmarks/nested_width.py TEXT [--tokens N] [--ff-share 0.5] [--head-share 1]
     [--seeds 0]

Three models learn from the same bytes in the same order with the default recipe: the slice's sizes
alone, the whole one alone, and the whole one with its slices (`nasviz.training.nested_width`).
Printed: bits per byte of each whole model and slice on text that none has seen, and how far each
slice is from the model that was trained alone. Nested steps cost the slices' passes too, so that
the same tokens are more FLOPs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from bare_loop import byte_job
from torch.nn.functional import cross_entropy

from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.quality.bits import bits_per_byte
from nasviz.space.architecture import Architecture
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.training.job import Job
from nasviz.training.learning_rate import schedule
from nasviz.training.loop import first_model
from nasviz.training.nested_width import sandwich
from nasviz.training.optimizer import build_optimizer, set_rates
from nasviz.training.plan import TrainingPlan
from nasviz.training.sample import sample_nats, spread_sample
from nasviz.training.windows import batch

WHOLE = Architecture(4, 128, 4, 256, 64)
FULL_WIDTH = DynamicWidth(1.0, 1.0)


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--tokens", type=int, default=500_000)
    parser.add_argument("--ff-share", type=float, default=0.5)
    parser.add_argument("--head-share", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    narrowest = DynamicWidth(arguments.ff_share, arguments.head_share)
    narrow = narrowest.running(WHOLE)
    print(f"{WHOLE.title}; slice: d_ff {narrow.d_ff} of {WHOLE.d_ff}, heads {narrow.n_heads} of "
          f"{WHOLE.n_heads}; {arguments.tokens:,} tokens a run")  # fmt: skip
    for seed in arguments.seeds:
        plan = TrainingPlan(tokens=arguments.tokens, seed=seed)
        job, alone_job = (byte_job(arguments.text, each, plan) for each in (WHOLE, narrow))
        alone = bits(alone_job, trained(alone_job, FULL_WIDTH))
        print(
            f"seed {seed}, bits per byte: the slice's sizes trained alone {alone:.4f}", flush=True
        )
        for name, narrowest_trained in (("plain", FULL_WIDTH), ("nested", narrowest)):
            model = trained(job, narrowest_trained)
            sliced = bits(job, subnetwork(model, narrow))
            print(
                f"seed {seed}, {name:6}: whole {bits(job, model):.4f}, its slice {sliced:.4f}, "
                f"{100 * (sliced / alone - 1):+.1f}% of what was trained alone",
                flush=True,
            )


def trained(job: Job, narrowest: DynamicWidth) -> Transformer:
    """Return the job's model after its updates, each with the slices down to `narrowest`."""
    recipe, length = job.recipe, job.architecture.context_length
    model = first_model(job)
    optimizer = build_optimizer(model, recipe.rates, job.plan.weight_decay)
    model.train()
    for step in range(recipe.n_steps):
        share = step / recipe.n_steps
        set_rates(optimizer, schedule(share, recipe.warmup_share, recipe.decay_share))
        arrays = batch(
            job.train, length, job.plan.seed, step * recipe.batch_size, recipe.batch_size
        )
        inputs, targets = (torch.from_numpy(each) for each in arrays)
        slices = sandwich(job.architecture, narrowest, seed=job.plan.seed, step=step)
        for part in (model, *(subnetwork(model, sizes) for sizes in slices)):
            loss = cross_entropy(part(inputs).flatten(0, 1).float(), targets.flatten())
            (loss / (1 + len(slices))).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def bits(job: Job, model: Transformer) -> float:
    """Return the bits per byte on the part that the job looks at."""
    sample = spread_sample(job.held_out, job.token_bytes, job.architecture.context_length)
    return bits_per_byte(sample_nats(model, sample, 16, torch.device("cpu")), sample.n_bytes)


if __name__ == "__main__":
    main()
