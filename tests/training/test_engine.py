"""What reaches DeepSpeed's engine, and that each setting takes effect there."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.training.engine import load_deepspeed, opened_engine
from nasviz.training.loop import first_model
from nasviz.training.plan import TrainingPlan
from nasviz.training.trainer import make_job, train_candidate

PLAN = TrainingPlan(steps=1, batch_size=6, threads=1, precision="fp32")


@contextmanager
def engine_of(candidate: Candidate, plan: TrainingPlan, text: Any, folder: Any) -> Iterator[Any]:
    job = make_job(candidate, plan, text, folder)
    with opened_engine(first_model(job), job.plan, job.recipe) as engine:
        yield engine


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tokens": 1600, "batch_size": None, "gradient_accumulation": 2, "zero_stage": 1},
        {"bytes": 9000, "batch_size": None, "clipping": 0.3},
        {"zero_stage": 2, "offload": True, "optimizer": "adamw"},
    ],
    ids=["plain", "accumulation", "bytes", "offload"],
)
def test_the_configuration_shown_is_the_one_the_engine_gets(
    candidate, text, tmp_path, monkeypatch, changes
):
    deepspeed, given = load_deepspeed(), []
    initialize = deepspeed.initialize

    def watched(*, config: dict[str, Any], **more: Any) -> Any:
        given.append(config)
        return initialize(config=config, **more)

    monkeypatch.setattr(deepspeed, "initialize", watched)
    plan = PLAN.with_(**changes)
    train_candidate(candidate, plan, text, directory=tmp_path)
    assert given == [plan.deepspeed_config(candidate.architecture, bytes_per_token=2.0)]


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_clipping_bounds_the_gradients_that_the_optimizer_sees(candidate, text, tmp_path, stage):
    norms = {}
    for limit in (0.0, 0.01):
        plan = PLAN.with_(clipping=limit, zero_stage=stage)
        with engine_of(candidate, plan, text, tmp_path) as engine:
            optimizer, seen = engine.basic_optimizer, []

            def record(*_: Any, optimizer: Any = optimizer, seen: list = seen) -> None:
                # ZeRO steps a group at a time; the squares of all groups add up.
                seen.extend(
                    parameter.grad.square().sum()
                    for group in optimizer.param_groups
                    for parameter in group["params"]
                    if parameter.grad is not None
                )

            optimizer.register_step_pre_hook(record)
            tokens = torch.randint(0, 31, (6, 13), generator=torch.Generator().manual_seed(5))
            loss = cross_entropy(engine(tokens).flatten(0, 1), tokens.roll(-1).flatten())
            engine.backward(loss)
            engine.step()
            norms[limit] = float(sum(seen)) ** 0.5
    assert norms[0.0] > 0.02
    assert norms[0.01] == pytest.approx(0.01, rel=1e-3)


def calls_in_a_step(
    candidate: Candidate, plan: TrainingPlan, text: Any, folder: Any, monkeypatch: Any
) -> list[tuple[str, int]]:
    """Return the module and the rows of each forward call of a one-step run, in order."""
    from nasviz.training import trainer

    calls: list[tuple[str, int]] = []

    def watched_model(job: Any) -> Any:
        model = first_model(job)
        for name, module in (("model", model), ("block", model.blocks[1])):
            module.register_forward_pre_hook(
                lambda module, inputs, name=name: (
                    calls.append((name, len(inputs[0]))) if module.training else None
                )
            )
        return model

    monkeypatch.setattr(trainer, "first_model", watched_model)
    train_candidate(candidate, plan, text, directory=folder)
    return calls


def test_accumulation_sends_a_batch_in_parts(candidate, text, tmp_path, monkeypatch):
    plan = PLAN.with_(gradient_accumulation=3)
    calls = calls_in_a_step(candidate, plan, text, tmp_path, monkeypatch)
    assert calls == [("model", 2), ("block", 2)] * 3


def test_recomputing_runs_each_layer_twice(candidate, text, tmp_path, monkeypatch):
    plan = PLAN.with_(activation_checkpointing=True)
    calls = calls_in_a_step(candidate, plan, text, tmp_path, monkeypatch)
    assert calls == [("model", 6), ("block", 6), ("block", 6)]


def test_recomputing_remembers_less():
    model_sizes = Architecture(3, 20, 5, vocab_size=31, context_length=13, d_ff=28)
    kept = {}
    for recompute in (False, True):
        job = type(
            "OneJob",
            (),
            {
                "architecture": model_sizes,
                "policy": InferencePolicy(),
                "plan": PLAN,
                "healing": None,
            },
        )
        model = first_model(job)
        model.recompute_activations = recompute
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, sizes=sizes: sizes.append(tensor.numel()) or tensor, lambda kept: kept
        ):
            model.train()(torch.zeros(6, 13, dtype=torch.int64))
        kept[recompute] = sum(sizes)
    assert kept[True] < kept[False] / 3


def test_deepspeeds_log_leaves_standard_output_and_other_handlers_alone(monkeypatch):
    loud = logging.StreamHandler(sys.stdout)
    kept = io.StringIO()
    logger = logging.getLogger("DeepSpeed")
    monkeypatch.setattr(logger, "handlers", [loud, logging.StreamHandler(kept)])
    load_deepspeed.cache_clear()
    load_deepspeed()
    assert [handler.stream for handler in logger.handlers] == [sys.stderr, kept]
