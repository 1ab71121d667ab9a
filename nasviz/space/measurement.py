"""`Measurement`: what one method found of a model's parts, kept beside its weights."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from nasviz.errors import InputError, unknown_name
from nasviz.space.architecture import Architecture
from nasviz.space.importance import Scores
from nasviz.whole_file import whole_file

# The measures of importance that give every part, or every layer, a score.
Method = Literal["activation", "taylor", "magnitude", "perplexity_drop"]
METHODS: tuple[Method, ...] = get_args(Method)
FOR_LAYERS_ALONE: tuple[Method, ...] = ("perplexity_drop",)

_FORMAT = 1
_ABOUT = "about"


@dataclass(frozen=True, eq=False)
class Measurement:
    """Scores by kind of part, with the shapes of `Importance`; more for what matters more.

    `perplexity_drop` knows of `layers` alone. `tokens` is how much text was read for it.
    """

    method: Method
    tokens: int
    scores: Mapping[str, Scores]

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown_name("measure of importance", self.method, METHODS)

    def check_of(self, architecture: Architecture) -> None:
        """Raise `InputError` where these are no scores of a model of these sizes."""
        shapes = {kind: shape_of(architecture, kind) for kind in kinds_of(self.method)}
        found = {kind: each.shape for kind, each in self.scores.items()}
        if found != shapes:
            raise InputError(f"it is of another model: its shapes are {found}, not {shapes}")
        if not all(np.isfinite(each).all() for each in self.scores.values()):
            raise InputError("it has scores that are no numbers")


def kinds_of(method: Method) -> tuple[str, ...]:
    """Return the kinds of parts that a method gives scores."""
    if method in FOR_LAYERS_ALONE:
        return ("layers",)
    return ("layers", "heads", "experts", "ff_units", "channels")


def shape_of(architecture: Architecture, kind: str) -> tuple[int, ...]:
    """Return the shape of a kind's scores."""
    a = architecture
    return {
        "layers": (a.n_layers,),
        "heads": (a.n_layers, a.n_heads),
        "experts": (a.n_layers, a.experts),
        "ff_units": (a.n_layers, a.experts, a.d_ff),
        "channels": (a.d_model,),
    }[kind]


def measurement_path(folder: Path, method: Method) -> Path:
    """Return the file of a method's measurement beside a model's weights."""
    return folder / f"importance_{method}.npz"


def save_measurement(measurement: Measurement, folder: Path) -> None:
    """Write it beside the weights in `folder`, whole or not at all."""
    about = {"format": _FORMAT, "method": measurement.method, "tokens": measurement.tokens}
    path = measurement_path(folder, measurement.method)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file, allow_pickle=False, **{_ABOUT: np.array(json.dumps(about))}, **measurement.scores
        )


def load_measurement(folder: Path, method: Method, architecture: Architecture) -> Measurement:
    """Return a method's measurement of the model in `folder`, of these sizes.

    Raises `InputError` naming the file where it holds none.
    """
    path = measurement_path(folder, method)
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no .npz file")
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                arrays = {name: np.asarray(found[name]) for name in found.files}
        about = json.loads(str(arrays.pop(_ABOUT)))
        if (about["format"], about["method"]) != (_FORMAT, method):
            raise ValueError(f"it says that it is {about}")
        scores = {name: each.astype(np.float64) for name, each in arrays.items()}
        measurement = Measurement(method, int(about["tokens"]), scores)
        measurement.check_of(architecture)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (InputError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile,
            zlib.error) as error:  # fmt: skip
        raise InputError(f"{path} is no measurement of importance: {error}") from error
    return measurement
