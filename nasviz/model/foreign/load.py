"""`load_foreign`: a folder that `transformers` wrote, as a `Transformer` with the same logits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from nasviz.errors import InputError
from nasviz.model.export.families import FAMILIES
from nasviz.model.export.family import Family, Weights
from nasviz.model.export.names import renamed_one
from nasviz.model.foreign.configuration import foreign_architecture
from nasviz.model.foreign.restore import RESTORED, neighbours
from nasviz.model.numbers import check_finite, check_type
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture

CONFIGURATION = "config.json"
WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth")

# What some versions stored beside the weights: causal masks and rotary frequencies.
_BUFFERS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")


def is_foreign(directory: str | Path) -> bool:
    """Whether the folder looks like a checkpoint of `transformers`."""
    return (Path(directory) / CONFIGURATION).is_file()


def foreign_architecture_in(directory: str | Path) -> Architecture:
    """Return the sizes of the checkpoint in `directory`; raises `InputError`, naming its file."""
    path = Path(directory) / CONFIGURATION
    configuration = _json(path)
    try:
        return foreign_architecture(configuration)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def load_foreign(directory: str | Path, order: Sequence[int] | None = None) -> Transformer:
    """Return the model in `directory`, in float32, ready to run (in evaluation mode).

    With `order`, (vocab_size,), token i of the result is token order[i] of the checkpoint: see
    `nasviz.corpus.foreign_tokenizer`. Only safetensors are read, whole or in shards; a pickle is
    refused unopened. Raises `InputError` for another family, or a missing, broken or mismatching
    file, naming it.
    """
    folder = Path(directory)
    architecture, weights = _weights(folder, _of_file)
    if order is not None:
        for name in ("token_embedding.weight", "head.weight"):
            if name in weights:
                weights[name] = weights[name][torch.tensor(order)]
    with torch.device("meta"):
        model = Transformer(architecture)
    # Copies, as in `load_checkpoint`; each of the file's own tensors is let go as it is copied.
    ours = {
        name: weights.pop(name).to(torch.float32, copy=True).contiguous() for name in list(weights)
    }
    check_finite(folder, ours)
    model.load_state_dict(ours, assign=True)
    return model.eval()


def check_foreign(directory: str | Path) -> None:
    """Raise `InputError` where `load_foreign` would for what the files list; reads no weights."""
    _weights(Path(directory), _listed_in_file)


def _weights(folder: Path, read: Callable[[Path], Weights]) -> tuple[Architecture, Weights]:
    """Return the sizes and our weights of a folder whose files are read by `read`."""
    architecture = foreign_architecture_in(folder)
    kind = _json(folder / CONFIGURATION)["model_type"]
    (family,) = [each for each in FAMILIES if each.model_type == kind]
    stored = _own_names(_tensors(folder, read), family)
    return architecture, _restored(folder, architecture, family, stored)


def _restored(folder: Path, architecture: Architecture, family: Family, stored: Weights) -> Weights:
    """Return our weights by our names, all of them there and of their shapes."""
    with torch.device("meta"):
        model = Transformer(architecture)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    restore = RESTORED[family.model_type]
    rest = dict(stored)
    found: Weights = {}
    for ours in restore.stored_names(shapes):
        theirs = renamed_one(ours, family.paths)
        if theirs not in rest:
            raise InputError(
                f"{folder} lacks the weight {theirs!r}, which its configuration asks for"
            )
        found[ours] = rest.pop(theirs)
    if architecture.tied_embeddings:
        rest.pop(f"{family.paths['head']}.weight", None)
    if rest:
        raise InputError(f"{folder} has the weight {min(rest)!r}, which its family does not have")
    weights = restore.weights(found)
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise InputError(
                f"{folder}: what becomes {name!r} has the shape {tuple(weights[name].shape)}, and "
                f"its configuration asks for {tuple(shape)}"
            )
    return neighbours(architecture, weights)


def _own_names(stored: Weights, family: Family) -> Weights:
    """Return tensors under the full names of the family's whole model."""
    base = family.paths["token_embedding"].split(".", 1)[0] + "."
    if any(name.startswith(base) for name in stored):
        return stored
    return {  # a checkpoint of the body alone, as GPT-2 was published
        name if name.startswith(family.paths["head"]) else base + name: each
        for name, each in stored.items()
    }


def _tensors(folder: Path, read: Callable[[Path], Weights]) -> Weights:
    if (folder / INDEX).is_file():
        listed = _json(folder / INDEX).get("weight_map")
        if not isinstance(listed, Mapping):
            raise InputError(f"{folder / INDEX} has no 'weight_map'")
        files = sorted({str(name) for name in listed.values()})
    elif (folder / WHOLE).is_file():
        files = [WHOLE]
    else:
        raise _no_weights(folder)
    found: Weights = {}
    for name in files:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InputError(f"{folder / INDEX} names {name!r}, which is no safetensors file there")
        path = folder / name
        if not path.is_file():
            raise InputError(f"there is no {path}, which the index of its weights names")
        try:
            found |= read(path)
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"{path} is no whole safetensors file: {error}; copy it anew"
            ) from error
    return found


def _of_file(path: Path) -> Weights:
    with safe_open(path, framework="pt", device="cpu") as stored:
        return {name: stored.get_tensor(name) for name in _checked_names(path, stored)}


def _listed_in_file(path: Path) -> Weights:
    """Return tensors without memory, of the shapes that the file's head lists."""
    with safe_open(path, framework="pt", device="cpu") as stored:
        return {
            name: torch.empty(stored.get_slice(name).get_shape(), device="meta")
            for name in _checked_names(path, stored)
        }


def _checked_names(path: Path, stored: Any) -> list[str]:
    """Return the names of a file's weights, all of a type that is read; buffers are left out."""
    names = [name for name in stored.keys() if not name.endswith(_BUFFERS)]  # noqa: SIM118
    for name in names:
        check_type(path, name, stored.get_slice(name).get_dtype())
    return names


def _no_weights(folder: Path) -> InputError:
    pickles = [name for name in PICKLES if (folder / name).exists()]
    if pickles:
        return InputError(
            f"{folder / pickles[0]} is a pickle, which can run any program when it is opened, so "
            "it is not opened; have its weights as safetensors: "
            "model.save_pretrained(folder, safe_serialization=True)"
        )
    return InputError(f"{folder} has no {WHOLE}")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} can't be read: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no object of settings")
    return data
