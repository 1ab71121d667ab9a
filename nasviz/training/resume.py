"""What an interrupted run needs to go on, on disk: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor

from nasviz.errors import InputError
from nasviz.training.engine import Engine

CURRENT = "unfinished"
NEXT = "unfinished.next"
PREVIOUS = "unfinished.previous"


@dataclass(frozen=True)
class Place:
    """Where a run stood: updates done, its own seconds, its smoothed loss, and whose it is."""

    step: int
    seconds: float
    smoothed_loss: float
    owner: str
    devices: int


def find(directory: Path) -> Path | None:
    """Return the folder of the run that `directory` holds unfinished, if any."""
    for name in (CURRENT, PREVIOUS):  # the second one if we were stopped between two renames
        if (directory / name / "place.json").exists():
            return directory / name
    return None


def read_place(folder: Path, owner: str, devices: int) -> Place:
    """Return where the run in `folder` stood; raises `InputError` if it is another run's."""
    place = Place(**json.loads((folder / "place.json").read_text()))
    if place.owner != owner:
        raise InputError(
            f"{folder} holds an unfinished run of another candidate, plan or corpus; "
            "choose an empty folder, or delete that one"
        )
    if place.devices != devices:
        raise InputError(
            f"{folder} was written by {place.devices} processes and can't go on with {devices}"
        )
    return place


def begin(directory: Path) -> Path:
    """Return an empty folder for the next state, made by the first process."""
    folder = directory / NEXT
    if _rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    _wait()
    return folder


def commit(directory: Path, place: Place) -> None:
    """Make the folder of `begin` the one that `find` returns: all of it or nothing."""
    _wait()
    if _rank() == 0:
        with (directory / NEXT / "place.json").open("w") as file:
            json.dump(asdict(place), file)
            file.flush()
            os.fsync(file.fileno())
        shutil.rmtree(directory / PREVIOUS, ignore_errors=True)
        if (directory / CURRENT).exists():
            (directory / CURRENT).rename(directory / PREVIOUS)
        (directory / NEXT).rename(directory / CURRENT)
        shutil.rmtree(directory / PREVIOUS, ignore_errors=True)
    _wait()


def forget(directory: Path) -> None:
    """Delete what an ended run has no more use for."""
    for name in (CURRENT, NEXT, PREVIOUS):
        shutil.rmtree(directory / name, ignore_errors=True)


def save_optimizer(engine: Engine, folder: Path) -> None:
    """Write this process's part of the optimizer's state."""
    tensors: dict[str, Tensor] = {}
    for index, parameter in enumerate(_parameters(engine)):
        state: dict[str, Any] = engine.basic_optimizer.state.get(parameter, {})
        for key, value in state.items():
            tensors[f"{index}.{key}"] = torch.as_tensor(value).detach().cpu().contiguous()
    save_file(tensors, folder / _file_name())


def load_optimizer(engine: Engine, folder: Path) -> None:
    """Read this process's part of the optimizer's state."""
    parameters = _parameters(engine)
    for name, tensor in load_file(folder / _file_name()).items():
        index, key = name.split(".", 1)
        parameter = parameters[int(index)]
        # AdamW counts its steps on the CPU unless it is fused on a GPU, where they are beside it.
        engine.basic_optimizer.state[parameter][key] = tensor.to(parameter.device)


def _parameters(engine: Engine) -> list[Tensor]:
    """Return what the optimizer keeps state for, in a fixed order: whole or ZeRO's slices."""
    slices = getattr(engine.optimizer, "fp32_partitioned_groups_flat", None)  # ZeRO stage 3
    if slices is not None:
        return list(slices)
    return [one for group in engine.basic_optimizer.param_groups for one in group["params"]]


def _file_name() -> str:
    return f"optimizer-{_rank()}.safetensors"


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def _wait() -> None:
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()
