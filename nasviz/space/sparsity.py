"""`Sparsity`: which share of a model's weights becomes zero. It changes no size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from nasviz.errors import InputError, check_names, unknown_name
from nasviz.space.architecture import Architecture

WeightImportance = Literal["activation", "magnitude"]

_BLOCKS = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True)
class Sparsity:
    """Zeros in the matrices of attention and feed-forward, as many in each: frozen, checked.

    `pattern` is the share of zeros, such as "0.5", anywhere in a matrix (unstructured), or "N:M":
    of every M neighbouring inputs of an output N keep their weight ("2:4" is what some GPUs have
    instructions for). `importance` tells which weights stay: "activation", their size times that
    of the input they are multiplied with, compared within an output (Wanda), or "magnitude", their
    size alone, compared within the matrix. Embeddings, head, norms, biases and routers stay whole.

    No size changes: a model with zeros has the weights, the bytes and, in dense kernels, the FLOPs
    that it had before.

    Han et al. 2015, arXiv:1506.02626; Sun et al. 2023, Wanda, arXiv:2306.11695; Mishra et al. 2021
    (2:4), arXiv:2104.08378. Raises `InputError` for other patterns.

    >>> Sparsity("2:4").zeros, Sparsity("0.3").zeros
    (0.5, 0.3)
    """

    pattern: str = "0.5"
    importance: WeightImportance = "activation"

    def __post_init__(self) -> None:
        if self.importance not in get_args(WeightImportance):
            raise unknown_name("importance of weights", self.importance, get_args(WeightImportance))
        if self.block is not None:
            kept, size = self.block
            if not 1 <= kept < size <= 64:
                raise InputError(
                    f"sparsity={self.pattern!r}: of M weights N stay, 1 ≤ N < M ≤ 64; such as 2:4"
                )
        elif not 0 < _number(self.pattern) < 1:
            raise InputError(
                f"sparsity={self.pattern!r} is neither a share of zeros between 0 and 1 nor N:M; "
                "such as 0.5 or 2:4"
            )

    @property
    def block(self) -> tuple[int, int] | None:
        """N and M of a pattern "N:M"; None for an unstructured one."""
        found = _BLOCKS.fullmatch(str(self.pattern))
        return (int(found[1]), int(found[2])) if found else None

    @property
    def zeros(self) -> float:
        """The share of each matrix's weights that become zero."""
        if self.block is None:
            return _number(self.pattern)
        kept, size = self.block
        return 1 - kept / size

    def check_fits(self, architecture: Architecture) -> None:
        """Raise `InputError` where a matrix's inputs are not whole blocks of M."""
        if self.block is None:
            return
        inputs = {"d_model": {architecture.d_model}, "n_heads × head_dim": set(), "d_ff": set()}
        for sizes in architecture.sizes_by_layer:  # 0 is a part that a layer has not
            inputs["n_heads × head_dim"].add(sizes.n_heads * architecture.head_dim)
            inputs["d_ff"].add(sizes.d_ff)
        for name, found in inputs.items():
            for n in sorted(found):
                if n % self.block[1]:
                    raise InputError(
                        f"sparsity={self.pattern!r} needs whole blocks of {self.block[1]} inputs, "
                        f"and {name}={n} has a rest; prune to sizes that it divides, or take a "
                        "share"
                    )

    def to_json(self) -> dict[str, str]:
        """Return the settings by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Sparsity:
        """Return the settings that `data`, a mapping, names; raises `InputError`."""
        if not isinstance(data, Mapping):
            raise InputError(f"sparsity is an object of settings, not {data!r}")
        check_names("sparsity setting", data, [field.name for field in fields(cls)])
        settings: dict[str, Any] = dict(data)
        return cls(**settings)


def _number(text: object) -> float:
    """Return what a share says as a number; NaN for anything else."""
    try:
        return float(str(text))
    except ValueError:
        return float("nan")
