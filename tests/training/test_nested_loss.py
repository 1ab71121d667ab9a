"""Training for dynamic width: narrower models share each step, and slices become models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.estimate import estimate
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.runner import Runner
from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.training.job import Job
from nasviz.training.loop import first_model, run
from nasviz.training.nested_width import sandwich
from nasviz.training.objective import batch_losses
from nasviz.training.plan import TrainingPlan

SIZES = Architecture(2, 64, 4, 97, 23, d_ff=160)
HALF = DynamicWidth(ff_share=0.5, head_share=0.5)
PLAN = TrainingPlan(steps=40, batch_size=8, threads=1)


def test_each_step_adds_the_losses_of_its_narrower_models() -> None:
    torch.manual_seed(0)
    policy = InferencePolicy((HALF,))
    model = build_model(SIZES, policy)
    tokens = torch.randint(97, (3, 23))
    targets = tokens.roll(-1, 1)
    total, own = batch_losses(model, tokens, targets, policy, PLAN, step=4)
    expected = own.item()
    for sizes in sandwich(SIZES, HALF, seed=PLAN.seed, step=4):
        logits = subnetwork(model, sizes)(tokens)
        expected += cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    assert total.item() == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(own, cross_entropy(model(tokens).flatten(0, 1), targets.flatten()))


def test_the_training_cost_is_the_mean_of_what_steps_cost() -> None:
    policy = InferencePolicy((HALF,))
    with torch.device("meta"):
        model = build_model(SIZES, policy)
        tokens = torch.zeros((2, 23), dtype=torch.long)
    counted = []
    for step in range(60):
        with FlopCounterMode(display=False) as counter:
            batch_losses(model, tokens, tokens, policy, PLAN, step=step)[0].backward()
        counted.append(counter.get_total_flops() / tokens.numel())
    expected = estimate(Candidate(SIZES, policy)).flops.training_per_token
    assert np.mean(counted) == pytest.approx(expected, rel=0.03)
    neutral = InferencePolicy((DynamicWidth(ff_share=1.0, head_share=1.0),))
    static = estimate(SIZES).flops.training_per_token
    assert estimate(Candidate(SIZES, neutral)).flops.training_per_token == static


def trained(policy: InferencePolicy, directory: Path) -> tuple[Job, Transformer]:
    text = np.frombuffer(b"the cat sat on the mat and the dog sat on the log. " * 200, np.uint8)
    job = Job(
        candidate=Candidate(SIZES.with_(vocab_size=256), policy),
        plan=PLAN,
        train=text,
        held_out=text[:2_000],
        token_bytes=np.ones(256, dtype=np.int64),
        directory=directory,
    )
    model = first_model(job)
    run(job, model, lambda progress: None, lambda: "go")
    return job, model


def test_a_slice_is_a_model_only_where_it_was_trained_as_one(tmp_path: Path) -> None:
    nats = {}
    for name, policy in (
        ("nested", InferencePolicy((HALF,))),
        ("plain", InferencePolicy()),
    ):
        job, model = trained(policy, tmp_path / name)
        tokens = torch.tensor(np.array(job.held_out[: 20 * 24], dtype=np.int64)).view(20, 24)
        with torch.inference_mode():
            logits = Runner(model.eval(), InferencePolicy((HALF,))).logits(tokens[:, :-1])[0]
        nats[name] = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).item()
    assert nats["nested"] < nats["plain"] - 0.5


def test_slices_of_shared_out_weights_are_refused() -> None:
    plan = replace(PLAN, optimizer="adamw", zero_stage=3)
    policy = InferencePolicy((HALF,))
    model = build_model(SIZES, policy)
    tokens = torch.zeros((1, 4), dtype=torch.long)
    with pytest.raises(ValueError, match="zero_stage=3 keeps only slices"):
        batch_losses(model, tokens, tokens, policy, plan)
