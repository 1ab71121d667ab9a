"""Whether a training fits into this machine's memory, asked before any of it is built.

A model that doesn't fit would fill the memory first, and the kernel would end the worker, or
another program, without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from nasviz.cost.estimate import estimate
from nasviz.cost.memory import Memory
from nasviz.cost.units import printed
from nasviz.cost.workload import Workload
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.training.engine import settle_precision
from nasviz.training.failures import OUT_OF_MEMORY, TrainingError
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import recipe_for

# The estimate counts what training must hold at once, and four measured runs took 1.0 to 2.4 times
# as much (at the peak of an update there are copies besides). It refuses only what is beyond doubt:
# a tenth more than is free, since other programs may give some back meanwhile.
SLACK = 1.1

# Where Linux says what a group of processes (a container, a batch job) may use.
GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def check_memory(
    candidate: Candidate,
    plan: TrainingPlan,
    bytes_per_token: float,
    parent: Architecture | None = None,
) -> None:
    """Raise `TrainingError` ("out of memory") where training can't fit; builds nothing.

    `bytes_per_token` is the text's mean, which a budget in bytes is divided by. Of a pruned model
    `parent` has the sizes: where the plan learns from it, each process holds it too. On a GPU its
    own memory counts, and the host's for what is offloaded; on a CPU all processes share the
    host's.
    """
    needed = training_memory(candidate, plan, bytes_per_token)
    teacher = 0.0
    if parent is not None and plan.has_teacher:
        teacher = teacher_bytes(parent, candidate, plan, bytes_per_token)
    each = needed.training_total_bytes + teacher
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        _check(each, needed, teacher, free + unused, "the GPU")
        _check(needed.training_host_bytes, needed, 0.0, available_bytes(), "this machine")
    else:
        total = plan.devices * each + needed.training_host_bytes
        _check(total, needed, teacher, available_bytes(), "this machine")


def check_room_for(architecture: Architecture) -> None:
    """Raise `TrainingError` ("out of memory") where a trained model's weights alone don't fit.

    They are read into this machine's memory in full precision.
    """
    needed = float(estimate(architecture).memory.weights_bytes)
    available = available_bytes()
    if needed > SLACK * available:
        raise TrainingError(
            f"the parent's weights take {printed(needed, 'B')} and this machine has "
            f"{printed(available, 'B')} free; choose a smaller parent, or free some memory",
            OUT_OF_MEMORY,
        )


def training_memory(candidate: Candidate, plan: TrainingPlan, bytes_per_token: float) -> Memory:
    """Return the bytes that training `candidate` by `plan` holds on each device, at the least."""
    recipe = recipe_for(candidate.architecture, plan, bytes_per_token=bytes_per_token)
    workload = Workload(
        training_batch=recipe.micro_batch_size,
        optimizer=plan.optimizer,
        zero_stage=plan.zero_stage,
        offload="optimizer" if plan.offload else "none",
        devices=plan.devices,
        activation_checkpointing=plan.activation_checkpointing,
    )
    memory = estimate(candidate, workload).memory
    if plan.lora_rank:  # of what adapters correct no gradients or moments are held
        state = memory.weights_bytes
        total = state + memory.training_activations_bytes
        memory = replace(
            memory, training_state_bytes=state, training_total_bytes=total, training_host_bytes=0
        )
    if settle_precision(plan).precision == "fp32":
        return memory
    # Autocast: weights and state stay fp32, what the backward needs is kept in 16 bits.
    half = estimate(candidate, workload.with_(training_precision="bf16")).memory
    activations = half.training_activations_bytes
    total = memory.training_state_bytes + activations
    return replace(memory, training_activations_bytes=activations, training_total_bytes=total)


def teacher_bytes(
    parent: Architecture, candidate: Candidate, plan: TrainingPlan, bytes_per_token: float
) -> float:
    """Return the bytes that a teacher of `parent`'s sizes adds on each device, at the least.

    Its weights in full precision; beside them what it says of a part of a batch, which stays until
    the pruned model has learnt from it: the logits, and the states after the layers that are
    compared. While chances are compared these are there too, the parent's, the pruned model's and
    their differences, all in full precision. While it reads, what one of its layers works with may
    be more than that. Two healings were measured to take 1.3 and 1.4 times this more than without
    a teacher.
    """
    recipe = recipe_for(candidate.architecture, plan, bytes_per_token=bytes_per_token)
    size, context = recipe.micro_batch_size, candidate.architecture.context_length
    each = 4 if settle_precision(plan).precision == "fp32" else 2
    layers = candidate.architecture.n_layers if plan.hidden_distillation else 0
    compared = 3 * candidate.architecture.vocab_size if plan.distillation else 0
    said = size * context * (4 * (parent.vocab_size + compared) + each * layers * parent.d_model)
    read = Workload(prompt_tokens=context, generated_tokens=1, batch=size, precision="fp32")
    memory = estimate(parent, read).memory
    reading = float(memory.activations_bytes) * each / 4
    return float(memory.weights_bytes) + max(float(said), reading)


def available_bytes() -> int:
    """Return the memory that a new process can have: the machine's, within its group's limit."""
    return min([int(psutil.virtual_memory().available), *_left_in_groups(GROUPS, OWN_GROUP)])


def _left_in_groups(groups: Path, own: Path) -> Iterator[int]:
    """Yield what each limited group around this process leaves it (versions 1 and 2 of cgroups)."""
    for line in _text(own).splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            top, names = groups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            top = groups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = top / path.lstrip("/")
        # In a container the path may be the host's: what is mounted begins at the container's.
        for each in (folder, *folder.parents) if folder.is_dir() else (top,):
            left = _left(each, *names)
            if left is not None:
                yield left
            if each == top:
                break


def _left(folder: Path, limit: str, used: str, reclaimable: str) -> int | None:
    """Return a group's limit less what it uses and can't give back; None without a limit."""
    most, now = _text(folder / limit).strip(), _text(folder / used).strip()
    if not most.isdigit() or not now.isdigit():
        return None
    counts = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines())
    return max(0, int(most) - int(now) + int(counts.get(reclaimable, 0)))


def _text(path: Path) -> str:
    """Return a file's text, "" where there is none: not Linux, or nothing is limited."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _check(
    bytes_needed: float, parts: Memory, teacher: float, available: float, place: str
) -> None:
    if bytes_needed <= SLACK * available:
        return
    state, forward = parts.training_state_bytes, parts.training_activations_bytes
    if state > SLACK * available:
        remedy = "choose fewer or narrower layers, or a smaller vocabulary"
    else:
        remedy = "use a smaller batch, gradient_accumulation, or activation_checkpointing=True"
    if teacher:
        remedy += ", or heal it on text alone, without its parent"
    taught = f", the parent that it learns from {printed(teacher, 'B')}" if teacher else ""
    raise TrainingError(
        f"training needs {printed(bytes_needed, 'B')} at the least (weights, gradients and "
        f"optimizer {printed(state, 'B')}, activations {printed(forward, 'B')}{taught} a device) "
        f"and {place} has {printed(available, 'B')} free; {remedy}",
        OUT_OF_MEMORY,
    )
