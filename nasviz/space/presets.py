"""Published models by their hub names in lower case: `presets.named("gpt2")`.

Only models that an `Architecture` expresses exactly are here; their numbers of parameters are the
published ones (`tests/space/test_presets.py` holds them against `transformers`). The rows are in
`preset_data/`, one file a family, each with its source. To add one, add a table there (what a row
leaves out comes from `[shared]`, then from the defaults of `Architecture`) and its `transformers`
configuration to the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from nasviz.errors import unknown_name
from nasviz.space import toml
from nasviz.space.architecture import Architecture

# In the order in which tables and menus show them.
FAMILIES = (
    "nanogpt",
    "gpt2",
    "cerebras-gpt",
    "opt",
    "pythia",
    "llama",
    "mistral",
    "qwen2.5",
    "qwen3",
    "smollm2",
    "gemma",
)


@dataclass(frozen=True)
class Preset:
    """A published model: its name, family, exact number of parameters and where that is from."""

    name: str
    family: str
    parameters: int
    source: str
    paper: str
    architecture: Architecture


def named(name: str) -> Architecture:
    """Return the sizes of a published model; raises `InputError` with the nearest name.

    >>> named("gpt2").n_layers
    12
    """
    return preset(name).architecture


def preset(name: str) -> Preset:
    """Return all that is known of a published model; raises `InputError` with the nearest name."""
    if name not in _all():
        raise unknown_name("preset", name, NAMES)
    return _all()[name]


@cache
def _all() -> dict[str, Preset]:
    return {each.name: each for name in FAMILIES for each in _family(name)}


def _family(name: str) -> Iterator[Preset]:
    file_name = name.replace("-", "_").replace(".", "_") + ".toml"
    path = files("nasviz.space").joinpath("preset_data", file_name)
    data: dict[str, Any] = toml.parse(path.read_text(encoding="utf-8"))
    for preset_name, row in data["presets"].items():
        sizes = {**data["shared"], **row}
        about = {key: sizes.pop(key) for key in ("source", "parameters")}
        yield Preset(
            name=preset_name,
            family=name,
            paper=data["paper"],
            architecture=Architecture.from_json(sizes),
            **about,
        )


NAMES: tuple[str, ...] = tuple(_all())
