"""`Pruning`: where a pruned trial comes from, and how its parts are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Literal

from nasviz.errors import InputError, check_names, unknown_name
from nasviz.space.field import Field, choice, integer

PartImportance = Literal["activation", "taylor", "magnitude", "random"]
LayerImportance = Literal[
    "block_influence", "perplexity_drop", "greedy", "uniform", "last", "taylor", "magnitude",
    "random",
]  # fmt: skip

_MINITRON = "Muralidharan et al. 2024, Minitron, arXiv:2407.14679"
_SHORTGPT = "Men et al. 2024, ShortGPT, arXiv:2403.03853"

PRUNING_FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        field.name: field
        for field in (
            choice(
                "importance", "Importance of parts",
                ("activation", "taylor", "magnitude", "random"),
                "What tells which heads, feed-forward units, experts and channels stay: how much "
                "they add on real text, how much the loss would change without them (from its "
                "gradient), how large their weights are, which needs no text, or chance.",
                f"{_MINITRON}; Molchanov et al. 2019, arXiv:1906.10771; Ma et al. 2023, "
                "LLM-Pruner, arXiv:2305.11627", "activation",
            ),
            choice(
                "layer_importance", "Importance of layers",
                ("block_influence", "perplexity_drop", "greedy", "uniform", "last", "taylor",
                 "magnitude", "random"),
                "What tells which layers stay: how far a layer turns what passes through it, how "
                "much worse text is predicted without it, the same one layer after the other, "
                "evenly spaced ones, the first ones, the loss's gradient, the weights' size, or "
                "chance.",
                f"{_SHORTGPT}; Gromov et al. 2024, arXiv:2403.17887; Kim et al. 2024, Shortened "
                "LLaMA, arXiv:2402.02834", "block_influence",
            ),
            integer(
                "rounds", "Rounds", 1, 64,
                "Steps in which parts are removed; what remains is measured again after each.",
                _MINITRON, default=1,
            ),
            integer(
                "calibration_tokens", "Calibration text", 1, 10**8,
                "How much text the importance is measured on, from the calibration part.",
                _MINITRON, default=16_384, unit="tokens",
            ),
            integer(
                "seed", "Seed", 0, 2**31 - 1,
                "Which parts chance chooses, where it is chance that chooses.",
                "Bouthillier et al. 2021, arXiv:2103.03098", default=0,
            ),
        )
    }
)  # fmt: skip


@dataclass(frozen=True)
class Pruning:
    """How a model is pruned: frozen, checked, to JSON and back.

    Raises `InputError` for values out of range.
    """

    importance: PartImportance = "activation"
    layer_importance: LayerImportance = "block_influence"
    rounds: int = 1
    calibration_tokens: int = 16_384
    seed: int = 0

    def __post_init__(self) -> None:
        for name, field in PRUNING_FIELDS.items():
            object.__setattr__(self, name, field.check(getattr(self, name), "pruning"))

    def to_json(self) -> dict[str, Any]:
        """Return every setting by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Pruning:
        """Return the settings that `data`, a mapping, names; raises `InputError`."""
        if not isinstance(data, Mapping):
            raise InputError(f"pruning is an object of settings, not {data!r}")
        names = [field.name for field in fields(cls)]
        check_names("pruning setting", data, names)
        return cls(**data)


# Every name of a method: those for all parts first, then those for layers only.
METHODS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (*PRUNING_FIELDS["importance"].choices, *PRUNING_FIELDS["layer_importance"].choices)
    )
)


def by_method(method: str, *, rounds: int = 1, seed: int = 0) -> Pruning:
    """Return the pruning by one method: of layers too, where it can tell their importance.

    A method for layers only leaves the other parts to the usual one, and the other way round;
    `seed` is chance's. Raises `InputError` for an unknown name.

    >>> by_method("greedy").importance, by_method("activation").layer_importance
    ('activation', 'block_influence')
    """
    if method not in METHODS:
        raise unknown_name("importance", method, METHODS)
    named: dict[str, Any] = {
        name: method
        for name in ("importance", "layer_importance")
        if method in PRUNING_FIELDS[name].choices
    }
    return Pruning(rounds=rounds, seed=seed, **named)
