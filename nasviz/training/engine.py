"""DeepSpeed's engine, set up so that it needs no compiler, no MPI and no standard output."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import HashStore

from nasviz.errors import InputError
from nasviz.model.transformer import Experts, Transformer
from nasviz.training.deepspeed_config import deepspeed_config
from nasviz.training.optimizer import build_optimizer
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import Recipe

# A process that waits this long for another one takes it for dead.
PATIENCE = timedelta(minutes=10)


# What is done with a model inside its own forward pass.
Through = Callable[[Transformer, Tensor], Any]


class Engine(Protocol):
    """What we use of `deepspeed.DeepSpeedEngine`."""

    module: torch.nn.Module
    device: torch.device
    # DeepSpeed's own wrapper around the optimizer, or the optimizer itself at ZeRO stage 0.
    optimizer: Any
    # The optimizer that was handed in.
    basic_optimizer: torch.optim.Optimizer

    def __call__(self, tokens: Tensor, through: Through | None = None) -> Any:
        """Return the logits of `tokens`, or what `through` makes of them, as the model does."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`."""

    def step(self) -> None:
        """Update the weights once the last part of a batch has been seen."""

    def destroy(self) -> None:
        """Let go of what the engine holds."""


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Send what is printed inside to standard error: standard output is for results."""
    with redirect_stdout(sys.stderr):
        yield


@lru_cache(maxsize=1)
def load_deepspeed() -> Any:
    """Return the `deepspeed` module, imported with nothing compiled and nothing on stdout."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")
    for name, alone in (("LOCAL_RANK", "0"), ("RANK", "0"), ("WORLD_SIZE", "1")):
        os.environ.setdefault(name, alone)
    with quiet_stdout():
        import deepspeed
        import deepspeed.ops

        # Otherwise `initialize` asks a compiler which extensions it could build, and builds one.
        deepspeed.ops.__compatible_ops__ = {"none": False}
    _log_to_stderr()
    return deepspeed


def _log_to_stderr() -> None:
    """Turn DeepSpeed's loggers, which write to standard output, to standard error."""
    standard_output = (sys.stdout, sys.__stdout__)
    names = [name for name in logging.root.manager.loggerDict if name.startswith("DeepSpeed")]
    for name in {"DeepSpeed", *names}:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        for handler in logger.handlers:
            # Others' handlers, such as those of a test runner, keep the streams they read back.
            if isinstance(handler, logging.StreamHandler) and handler.stream in standard_output:
                handler.setStream(sys.stderr)


def join_processes() -> None:
    """Join the process group that the environment describes; alone, form one without a network."""
    if dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group(backend, timeout=PATIENCE)
    else:
        dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1, timeout=PATIENCE)


def leave_processes() -> None:
    """Leave the process group: at the end of a process, not between its trials."""
    if dist.is_initialized():
        dist.destroy_process_group()


def settle_precision(plan: TrainingPlan) -> TrainingPlan:
    """Return `plan` with "auto" replaced by what is fastest on this device.

    On a CPU that is fp32 even where bf16 is computed in hardware: at the sizes that one trains
    there, casting activations back and forth costs more than the products save: 1.3 to 1.4 times
    fp32's time a step under autocast (4 layers × 128 wide, 32 and 48 × 64 tokens, two cores of a
    Xeon with bf16 units), and 1.7 to 1.8 with fp32 tensors multiplied in bf16.

    Raises `InputError` for 16 bits that the device would only imitate, ten times slower.
    """
    if plan.precision == "auto":
        return replace(
            plan, precision="bf16" if torch.cuda.is_available() and computes_bf16() else "fp32"
        )
    if plan.precision == "bf16" and not computes_bf16():
        raise InputError(
            "training plan: precision='bf16' is only imitated by this processor, many times "
            "slower; use precision='auto' or 'fp32'"
        )
    if plan.precision == "fp16" and not torch.cuda.is_available():
        raise InputError("training plan: precision='fp16' needs a GPU; use precision='auto'")
    return plan


def check_devices(plan: TrainingPlan) -> None:
    """Raise `InputError` where `plan` asks for more processes than this machine has devices for.

    Without a GPU a core is a device; a single core may still share itself between two, to try it.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    most = gpus or max(2, os.cpu_count() or 1)
    if plan.devices > most:
        kind = "GPUs" if gpus else "cores"
        raise InputError(
            f"training plan: devices={plan.devices} is more than the {kind} of this machine "
            f"serve; choose at most {most}"
        )


def computes_bf16() -> bool:
    """Return whether this device multiplies bf16 in hardware.

    `torch.cpu` and DeepSpeed's accelerator say yes on every processor; oneDNN knows.
    """
    if torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def opened_engine(model: Transformer, plan: TrainingPlan, recipe: Recipe) -> Iterator[Engine]:
    """Give a DeepSpeed engine that trains `model`, and take it apart afterwards.

    What `plan.precision` says must be settled. `model` trains in place, except at ZeRO stage 3,
    where its parameters are slices.
    """
    deepspeed = load_deepspeed()
    join_processes()
    optimizer = build_optimizer(model, recipe.rates, plan.weight_decay)
    config = deepspeed_config(plan, recipe)
    if plan.zero_stage == 3 and model.architecture.experts > 1:
        # All experts' weights are gathered at once: waited for one by one, a process that skips an
        # expert would leave the others waiting.
        deepspeed.utils.set_z3_leaf_modules(model, [Experts])
    with quiet_stdout():
        engine, *_ = deepspeed.initialize(
            model=model, optimizer=optimizer, config=config, dist_init_required=False
        )
    try:
        yield engine
    finally:
        with quiet_stdout():
            engine.destroy()
        optimizer.state.clear()
        optimizer.param_groups.clear()
        del engine, optimizer
        gc.collect()


@contextmanager
def whole_weights(engine: Engine, plan: TrainingPlan) -> Iterator[None]:
    """Let every process see whole weights inside, also at ZeRO stage 3."""
    if plan.zero_stage < 3:
        yield
        return
    with load_deepspeed().zero.GatheredParameters(list(engine.module.parameters())):
        yield
