"""Stored weights that a model can compute with: of a floating type, and finite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nasviz.errors import InputError

# By their names in a safetensors file.
_READ_TYPES = ("F16", "BF16", "F32", "F64")


def check_type(path: Path, name: str, stored_type: str) -> None:
    """Raise `InputError` unless weights of that type, as safetensors names it, are read here."""
    if stored_type not in _READ_TYPES:
        raise InputError(
            f"{path}: {name!r} is stored as {stored_type}; weights are read as "
            f"{', '.join(_READ_TYPES)}: store it so"
        )


def check_finite(place: Path, weights: Mapping[str, Tensor]) -> None:
    """Raise `InputError` where a weight is infinite or no number."""
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"{place}: {name!r} holds numbers that are not finite; train again or copy it anew"
            )
