"""`Lineage`: which model a trial was made from, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from nasviz.errors import InputError, check_names, unknown_name
from nasviz.space.kept import Kept
from nasviz.space.pruning import Pruning
from nasviz.space.replacement.per_layer import PerLayer
from nasviz.space.runs import lengthened, shortened
from nasviz.space.sparsity import Sparsity

Heal = Literal["distill", "finetune", "lora", "none"]
HEALS: tuple[Heal, ...] = get_args(Heal)

_NAMES = ("parent_trial", "parent_folder", "pruning", "heal", "kept", "sparsity", "per_layer")


@dataclass(frozen=True)
class Lineage:
    """A pruned trial's parent, how its parts were chosen and how it is healed.

    The parent is a trial of the same study, or a checkpoint in a folder: exactly one is named.
    `kept` are the parts that stay where they were chosen by hand; `pruning` then chose nothing.
    `per_layer` are the limits within which the sizes of each layer were searched.
    With `sparsity` weights of what stays are zero, and remain so while it is healed.
    Raises `InputError` otherwise.
    """

    parent_trial: int | None = None
    parent_folder: str | None = None
    pruning: Pruning = field(default_factory=Pruning)
    heal: Heal = "distill"
    kept: Kept | None = None
    per_layer: PerLayer | None = None
    sparsity: Sparsity | None = None

    def __post_init__(self) -> None:
        if (self.parent_trial is None) == (self.parent_folder is None):
            raise InputError("a pruned trial has one parent: a trial's number, or a folder")
        if self.heal not in HEALS:
            raise unknown_name("way of healing", self.heal, HEALS)
        if self.kept is not None and self.pruning != Pruning():
            raise InputError(
                "kept names the parts that stay, which leaves pruning nothing to choose; drop one "
                "of them"
            )
        if self.sparsity is not None and self.heal == "lora":
            raise InputError(
                "adapters would fill the zeros of sparsity when they are merged; heal by distill "
                "or finetune"
            )
        if self.sparsity is not None and self.per_layer is not None:
            raise InputError(
                "zeros of sparsity and layers that are searched come one after the other: prune by "
                "layers first, then that trial by sparsity"
            )
        if self.kept is not None and self.per_layer is not None:
            raise InputError("kept and per_layer both say what stays of each layer; drop one")
        if self.per_layer is not None and self.pruning.rounds > 1:
            raise InputError(
                f"rounds={self.pruning.rounds}: layers that are scored one by one are pruned in "
                "one round; leave rounds at 1"
            )

    @property
    def parent(self) -> str:
        """The parent in words: `trial 3`, or its folder."""
        if self.parent_trial is not None:
            return f"trial {self.parent_trial}"
        return str(self.parent_folder)

    def to_json(self) -> dict[str, Any]:
        """Return what is said, by name."""
        parent: dict[str, Any] = {"parent_folder": self.parent_folder}
        if self.parent_trial is not None:
            parent = {"parent_trial": self.parent_trial}
        said = {**parent, "pruning": self.pruning.to_json(), "heal": self.heal}
        if self.kept is not None:
            said["kept"] = {name: shortened(each) for name, each in self.kept.to_json().items()}
        if self.per_layer is not None:
            said["per_layer"] = self.per_layer.to_json()
        if self.sparsity is not None:
            said["sparsity"] = self.sparsity.to_json()
        return said

    @classmethod
    def from_json(cls, data: object) -> Lineage:
        """Return the lineage that `data`, a mapping, says; raises `InputError`."""
        if not isinstance(data, Mapping):
            raise InputError(f"a lineage is an object, not {data!r}")
        check_names("part of a lineage", data, _NAMES)
        pruning = Pruning.from_json(data.get("pruning", {}))
        kept = None if data.get("kept") is None else _kept_of(data["kept"])
        sparsity = None if data.get("sparsity") is None else Sparsity.from_json(data["sparsity"])
        asked = data.get("per_layer")
        per_layer = None if asked is None else PerLayer.from_json(asked)
        read = {"pruning": pruning, "kept": kept, "sparsity": sparsity, "per_layer": per_layer}
        return cls(**{**data, **read})


def _kept_of(data: object) -> Kept:
    if isinstance(data, Mapping):
        data = {name: lengthened(each) for name, each in data.items()}
    return Kept.from_json(data)
