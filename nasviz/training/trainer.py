"""`train_candidate`: one candidate trained by DeepSpeed, from a plan to a result."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nasviz.errors import InputError
from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.space.candidate import Candidate
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.training import resume
from nasviz.training.engine import check_devices, settle_precision
from nasviz.training.healing import Healing
from nasviz.training.job import Job
from nasviz.training.launch import run_processes
from nasviz.training.loop import Outcome, State, first_model, run
from nasviz.training.plan import TrainingPlan
from nasviz.training.progress import Control, Report
from nasviz.training.threads import idle_cores
from nasviz.training.windows import windows_per_epoch


class Tokenized(Protocol):
    """What training reads of `nasviz.corpus.tokenized.TokenizedCorpus`."""

    @property
    def token_bytes(self) -> NDArray[np.int64]:
        """Bytes of each id, shape (vocab_size,)."""

    def tokens(self, part: str) -> NDArray[Any]:
        """Return the ids of a part, shape (n,)."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to: `state` is "complete", "paused" or "cancelled".

    `tokens`, `bytes` and `epochs` are what was trained on; `seconds` the run's own time, over all
    its sittings, without the final score; `loss` the smoothed training loss in nats a token;
    `plateau` says that the run is stuck at what token frequencies give, which is a failed run and
    not an architecture's quality; `score` what the `score` function returned (None unless
    complete). The weights lie in `directory`.
    """

    state: State
    steps: int
    tokens: int
    bytes: int
    epochs: float
    seconds: float
    loss: float
    plateau: bool
    parameters: int
    seed: int
    recipe: dict[str, Any]
    device: str
    threads: int
    versions: dict[str, str]
    directory: Path
    score: Any = None


def train_candidate(
    candidate: Candidate,
    plan: TrainingPlan,
    tokenized: Tokenized,
    *,
    directory: str | Path,
    report: Report = lambda progress: None,
    control: Control = lambda: "go",
    score: Callable[[nn.Module], Any] | None = None,
    healing: Healing | None = None,
) -> TrainingResult:
    """Train `candidate` on the training part of `tokenized`; return what it came to.

    Weights go to `directory`. If that holds the same run unfinished (paused, or killed), it goes
    on from there, with the same text in the same order. `report` gets a `Progress` about ten
    times a second; `control` is asked before every step. "pause" saves and returns with state
    "paused": call again to go on. `score(model)` is called once, with the trained model. With
    `healing` the first weights are those of a pruned model.

    Raises `InputError` for a plan that this device or text can't serve, and `RunError` with a
    `.reason` ("not a number", "out of memory", "process died") for a run that failed.
    """
    job = make_job(candidate, plan, tokenized, Path(directory), healing)
    if job.plan.devices > 1:
        outcome = run_processes(job, report, control)
        model = None
    else:
        model = first_model(job)
        outcome = run(job, model, report, control)
    if outcome.state != "paused":
        resume.forget(job.directory)
    scored = None
    if outcome.state == "complete" and score is not None:
        # At ZeRO stage 3 the model of this process has slices of its weights only, and with
        # adapters, zeros or rounded weights its matrices are other modules than in the end.
        if model is None or job.plan.zero_stage == 3 or job.changes_matrices:
            model = load_checkpoint(job.directory)
        scored = score(model.eval())
    return _result(job, outcome, scored)


def left_as_it_is(directory: str | Path, score: Callable[[nn.Module], Any]) -> TrainingResult:
    """Return the result of the checkpoint in `directory` without any training, but scored.

    Its loss is not a number: none was computed on training text.
    """
    model = load_checkpoint(directory)
    return TrainingResult(
        state="complete",
        steps=0,
        tokens=0,
        bytes=0,
        epochs=0.0,
        seconds=0.0,
        loss=math.nan,
        plateau=False,
        parameters=sum(each.numel() for each in model.parameters()),
        seed=0,
        recipe={},
        device=device_name(),
        threads=torch.get_num_threads(),
        versions=_versions(),
        directory=Path(directory),
        score=score(model),
    )


def make_job(
    candidate: Candidate,
    plan: TrainingPlan,
    tokenized: Tokenized,
    directory: Path,
    healing: Healing | None = None,
) -> Job:
    """Return the job for this device: precision and threads settled, text long enough."""
    architecture = candidate.architecture
    train = tokenized.tokens("train")
    if len(tokenized.token_bytes) != architecture.vocab_size:
        raise InputError(
            f"vocab_size={architecture.vocab_size} is not the tokenizer's "
            f"{len(tokenized.token_bytes)}; tokenize the corpus with the candidate's"
        )
    if len(train) <= architecture.context_length:
        raise InputError(
            f"the training part has {len(train)} tokens and context_length="
            f"{architecture.context_length} needs more; use a longer text or a shorter context"
        )
    if plan.needs_parent and healing is None:
        raise InputError(
            "training plan: distillation, hidden_distillation and lora_rank need a parent, and "
            "this candidate is trained from new; prune a trained one, or leave them at 0"
        )
    if plan.quantization_aware and candidate.inference.get(WeightQuantization) is None:
        raise InputError(
            "training plan: quantization_aware=True needs a policy with weight_quantization, whose "
            "bits it learns for; add that, or leave it off"
        )
    check_devices(plan)
    settled = settle_precision(plan)
    if settled.threads is None:
        settled = replace(settled, threads=max(1, idle_cores() // plan.devices))
    return Job(
        candidate=candidate,
        plan=settled,
        train=train,
        held_out=tokenized.tokens("search"),
        token_bytes=np.asarray(tokenized.token_bytes),
        directory=directory,
        healing=healing,
    )


def _result(job: Job, outcome: Outcome, scored: Any) -> TrainingResult:
    recipe, length = job.recipe, job.architecture.context_length
    tokens = outcome.step * recipe.tokens_per_step
    with torch.device("meta"):
        model = build_model(job.architecture, job.policy)
        parameters = sum(each.numel() for each in model.parameters())
    return TrainingResult(
        state=outcome.state,
        steps=outcome.step,
        tokens=tokens,
        bytes=job.bytes_of(tokens),
        epochs=outcome.step * recipe.batch_size / windows_per_epoch(len(job.train), length),
        seconds=outcome.seconds,
        loss=outcome.loss,
        plateau=outcome.plateau,
        parameters=parameters,
        seed=job.plan.seed,
        recipe={**recipe.to_json(), "precision": job.plan.precision},
        device=device_name(),
        threads=job.plan.threads or torch.get_num_threads(),
        versions=_versions(),
        directory=job.directory,
        score=scored,
    )


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("nasviz", "torch", "deepspeed")}


def device_name() -> str:
    """Return the name of what trains here."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()})"
