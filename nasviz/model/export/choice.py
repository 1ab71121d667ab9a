"""Which family expresses an architecture, and what to change where none does."""

from __future__ import annotations

from nasviz.errors import InputError
from nasviz.model.export.families import FAMILIES
from nasviz.model.export.family import Family
from nasviz.model.export.padding import all_alike
from nasviz.space.architecture import Architecture
from nasviz.space.field import Value


def family_for(architecture: Architecture) -> Family:
    """Return the first family that expresses `architecture` exactly.

    Layers that differ are expressed by layers like the largest, padded with zeros. Raises
    `InputError` that names the fields in the way and the values that would do.
    """
    architecture = all_alike(architecture)
    for family in FAMILIES:
        if not family.obstacles(architecture):
            return family
    family, changes = nearest_exportable(architecture)
    given = ", ".join(f"{name}={getattr(architecture, name)!r}" for name in changes)
    wanted = ", ".join(f"{name}={value!r}" for name, value in changes.items())
    raise InputError(
        f"no model family of transformers has {given} beside the other sizes; the nearest, "
        f"{family.model_class}, needs {wanted}"
    )


def is_exportable(architecture: Architecture) -> bool:
    """Whether some family expresses `architecture` exactly."""
    return any(not family.obstacles(all_alike(architecture)) for family in FAMILIES)


def nearest_exportable(architecture: Architecture) -> tuple[Family, dict[str, Value]]:
    """Return the family with the fewest obstacles, and the changes that would meet its rules.

    With those changes the architecture can be exported: `architecture.with_(**changes)`.
    """
    found = [
        (family, changes)
        for family in FAMILIES
        if (changes := _changes(family, architecture)) is not None
    ]
    return min(found, key=lambda pair: len(pair[1]))


def _changes(family: Family, architecture: Architecture) -> dict[str, Value] | None:
    """Return what makes `architecture` one of `family`; None where it takes more than that."""
    remedies = {rule.name: rule.remedy(architecture) for rule in family.obstacles(architecture)}
    changes = {name: value for name, value in remedies.items() if value is not None}
    try:
        met = not family.obstacles(architecture.with_(**changes))
    except InputError:  # the remedy doesn't fit the other sizes
        return None
    return changes if met else None
