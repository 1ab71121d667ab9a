"""The result of a trial: what is stored of it, and printed by `nasviz train --json`."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("nasviz", "torch", "deepspeed", "optuna", "tokenizers", "numpy")

# Exit traces beside the trial's weights, by the part of the corpus that was traced. Here, where no
# torch is loaded: the explorer reads them.
TRACES = {"calibration": "exit_trace_calibration.npz", "test": "exit_trace_test.npz"}

# Documented and stable: the keys of the command line's last line.
KEYS = (
    "bits_per_byte",
    "perplexity",
    "accuracy",
    "tokens",
    "bytes",
    "epochs",
    "seconds",
    "parameters",
    "corpus_sha256",
    "seed",
    "trial",
)


def versions() -> dict[str, str]:
    """Return the version of Python and of each package that a result depends on."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def plain(value: Any) -> Any:
    """Return a numpy or torch scalar as the Python number it holds, other values as they are."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def load_words(layers: Sequence[Sequence[float]]) -> str:
    """Return the least and the most that an expert gets, and how many get nothing.

    `layers` are a stored `expert_load`'s: each expert's share of its layer's tokens.
    """
    shares = [share for layer in layers for share in layer]
    idle = sum(share == 0 for share in shares)
    unused = f"; {idle} of {len(shares)} never used" if idle else ""
    return f"{min(shares):.1%} to {max(shares):.1%} of a layer's tokens{unused}"
