"""Checkpoints on disk: `weights.safetensors` beside `architecture.json`, never a pickle.

A model that was trained for an inference policy has that policy in `inference.json` too, and one
whose layers were measured what they change in `block_influence.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nasviz.errors import InputError, RunError
from nasviz.model.dynamic.additions import build_model
from nasviz.model.numbers import check_finite, check_type
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.whole_file import whole_file

WEIGHTS = "weights.safetensors"
ARCHITECTURE = "architecture.json"
INFERENCE = "inference.json"
INFLUENCE = "block_influence.json"


def save_checkpoint(model: Transformer, directory: str | Path) -> Path:
    """Write weights and architecture of `model` into `directory`, which is made; return it.

    Each file appears whole or not at all, the weights first. Raises `RunError` where the disk
    refuses.
    """
    folder = Path(directory)
    weights = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    digest = model.architecture.digest
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / WEIGHTS) as path:
            save_file(weights, path, metadata={"architecture": digest})
        with whole_file(folder / ARCHITECTURE) as path:
            path.write_text(json.dumps(model.architecture.to_json(), indent=1), encoding="utf-8")
        if model.built_for:
            with whole_file(folder / INFERENCE) as path:
                path.write_text(json.dumps(model.built_for.to_json(), indent=1), encoding="utf-8")
        else:
            (folder / INFERENCE).unlink(missing_ok=True)
        (folder / INFLUENCE).unlink(missing_ok=True)
        if model.block_influence is not None:
            _write_influence(folder, model.block_influence)
    except (OSError, SafetensorError) as error:
        raise RunError(f"could not write a checkpoint to {folder}: {error}") from error
    return folder


def save_block_influence(directory: str | Path, influence: Sequence[float]) -> None:
    """Write what each layer of the checkpoint in `directory` changes, measured after training.

    Raises `RunError` where the disk refuses.
    """
    try:
        _write_influence(Path(directory), influence)
    except OSError as error:
        raise RunError(f"could not write {INFLUENCE} to {directory}: {error}") from error


def _write_influence(folder: Path, influence: Sequence[float]) -> None:
    with whole_file(folder / INFLUENCE) as path:
        path.write_text(json.dumps([float(each) for each in influence]), encoding="utf-8")


def load_block_influence(directory: str | Path, n_layers: int) -> tuple[float, ...] | None:
    """Return what was measured of each layer of a checkpoint, (n_layers,); None where nothing was.

    Raises `InputError` where the file is broken or of another model.
    """
    path = Path(directory) / INFLUENCE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        found = tuple(float(each) for each in said)
        if not all(map(math.isfinite, found)):
            raise ValueError(f"{list(found)} are not numbers all")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} holds no block influence: {error}") from error
    if len(found) != n_layers:
        raise InputError(f"{path} is of {len(found)} layers, and the model has {n_layers}")
    return found


def load_architecture(directory: str | Path) -> Architecture:
    """Return the architecture of the checkpoint in `directory`, or raise `InputError`."""
    path = Path(directory) / ARCHITECTURE
    try:
        return Architecture.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{directory} is no checkpoint: it has no {ARCHITECTURE}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} describes no architecture: {error}") from error


def load_policy(directory: str | Path) -> InferencePolicy:
    """Return the policy that the checkpoint's model was trained for; without a file, none.

    Raises `InputError` where the file is broken.
    """
    path = Path(directory) / INFERENCE
    try:
        return InferencePolicy.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return InferencePolicy()
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} describes no inference policy: {error}") from error


def load_checkpoint(directory: str | Path, device: torch.device | str = "cpu") -> Transformer:
    """Return the model of the checkpoint in `directory`, ready to run (in evaluation mode).

    Raises `InputError` for a missing, broken or mismatching file, naming it and what is wrong.
    """
    architecture = load_architecture(directory)
    path = Path(directory) / WEIGHTS
    if not path.is_file():
        raise InputError(f"{directory} is no checkpoint: it has no {WEIGHTS}")
    with torch.device("meta"):
        model = build_model(architecture, load_policy(directory))
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    try:
        with safe_open(path, framework="pt", device=str(device)) as stored:
            found = {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
            _refuse_mismatch(path, found, wanted)
            for name in wanted:
                check_type(path, name, stored.get_slice(name).get_dtype())
            # Copies lie as torch's own tensors do: a sum's last bit depends on where its terms lie.
            weights = {name: stored.get_tensor(name).clone() for name in wanted}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is broken: {error}; train again or copy it anew") from error
    check_finite(path, weights)
    model.load_state_dict(weights, assign=True)
    model.block_influence = load_block_influence(directory, architecture.n_layers)
    return model.eval()


def _refuse_mismatch(
    path: Path, found: dict[str, tuple[int, ...]], wanted: dict[str, tuple[int, ...]]
) -> None:
    for name, shape in wanted.items():
        if name not in found:
            raise InputError(f"{path} lacks {name!r}, which {ARCHITECTURE} asks for")
        if found[name] != shape:
            raise InputError(
                f"{path}: {name!r} has shape {found[name]}, and {ARCHITECTURE} asks for {shape}"
            )
    for name in found:
        if name not in wanted:
            raise InputError(f"{path} has {name!r}, which {ARCHITECTURE} does not know")
