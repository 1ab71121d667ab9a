"""What the trials of one seed came to, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nasviz.space.layer_sizes import LayerSizes
from nasviz.study.lineage_cost import training_flops
from nasviz.study.trial import Trial

# A parent cut within the time of half of its layers: each layer by itself, or all layers alike and
# healed for longer, on as much compute as the search of the layers took too.
BY_LAYER, ALIKE = "layer by layer", "layers alike"

# How much of its parent's training a pruned model is charged with: nothing, its share among all
# targets, the whole. In this order the compute rises.
ACCOUNTS = ("healing alone", "a share of the parent", "the whole parent")


@dataclass(frozen=True)
class Outcome:
    """A complete trial: bits per byte of the test part, and what its own training took.

    flops: forward and backward, what a teacher computed and the choice of parts included. Of a
    pruned model also unhealed_bits_per_byte, of the test part before it was healed, the layers that
    it kept, and chosen_flops, what the choice of its parts took of the flops (0 in comparisons that
    were stored before this was counted); where layers were searched also layer_sizes, of each that
    is left.
    """

    trial: int
    bits_per_byte: float
    flops: float
    tokens: int
    parameters: int
    unhealed_bits_per_byte: float | None = None
    layers: tuple[int, ...] = ()
    layer_sizes: tuple[LayerSizes, ...] = ()
    chosen_flops: float = 0.0

    @classmethod
    def of(cls, trial: Trial) -> Outcome:
        """Return what a complete trial came to."""
        pruned = trial.result.get("pruned", {})
        chosen = float(pruned.get("flops", 0.0))
        return cls(
            trial.number,
            float(trial.result["bits_per_byte"]),
            training_flops(trial) + chosen,
            int(trial.result["tokens"]),
            int(trial.result["parameters"]),
            pruned.get("unhealed_bits_per_byte"),
            tuple(pruned.get("layers", ())),
            trial.candidate.architecture.layer_sizes,
            chosen,
        )

    def to_json(self) -> dict[str, Any]:
        """Return every figure by name; `chosen_flops` where there are any."""
        sizes = [each.to_json() for each in self.layer_sizes]
        said = {**asdict(self), "layers": list(self.layers), "layer_sizes": sizes}
        if not self.chosen_flops:
            del said["chosen_flops"]
        return said

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """Return what `to_json` wrote."""
        sizes = tuple(map(LayerSizes.from_json, data["layer_sizes"]))
        return cls(**{**data, "layers": tuple(data["layers"]), "layer_sizes": sizes})


@dataclass(frozen=True)
class SeedRun:
    """One parent and all that was made of it or held against it.

    pruned: by target and method of importance, the usual one first. chance: by target, cut by
    chance, each draw. scratch: by target and account, the same sizes trained from new on the
    compute that the account says. as_fast: by how layers were scored, `BY_LAYER` and `ALIKE`.
    """

    parent: Outcome
    pruned: Mapping[str, Mapping[str, Outcome]]
    chance: Mapping[str, tuple[Outcome, ...]]
    scratch: Mapping[str, Mapping[str, Outcome]]
    as_fast: Mapping[str, Mapping[str, Outcome]]

    def healed(self, target: str) -> Outcome:
        """Return the pruned model of a target, cut by the usual importance."""
        return next(iter(self.pruned[target].values()))

    def from_new_leads(self, target: str) -> bool:
        """Return whether training from new is as good as pruning on the healing's compute alone."""
        start = self.scratch[target][ACCOUNTS[0]]
        return start.bits_per_byte <= self.healed(target).bits_per_byte

    def compute(self, target: str) -> dict[str, float]:
        """Return what the pruned model of a target took, by account, FLOPs."""
        return accounts(self.healed(target).flops, self.parent.flops, len(self.scratch))

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "parent": self.parent.to_json(),
            "pruned": _plain(self.pruned),
            "chance": {
                target: [each.to_json() for each in draws] for target, draws in self.chance.items()
            },
            "scratch": _plain(self.scratch),
            "as_fast": _plain(self.as_fast),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeedRun:
        """Return what `to_json` wrote."""
        chance = {
            target: tuple(map(Outcome.from_json, draws)) for target, draws in data["chance"].items()
        }
        return cls(
            Outcome.from_json(data["parent"]),
            _read(data["pruned"]),
            chance,
            _read(data["scratch"]),
            _read(data["as_fast"]),
        )


def accounts(own: float, parent: float, targets: int) -> dict[str, float]:
    """Return the FLOPs that a pruned model is charged with, by account.

    `own` is its healing and the choice of its parts, `parent` the parent's training, which so many
    targets share.

    >>> accounts(1.0, 8.0, 4)
    {'healing alone': 1.0, 'a share of the parent': 3.0, 'the whole parent': 9.0}
    """
    return dict(zip(ACCOUNTS, (own, own + parent / targets, own + parent), strict=True))


def _plain(outcomes: Mapping[str, Mapping[str, Outcome]]) -> dict[str, dict[str, Any]]:
    return {
        target: {name: outcome.to_json() for name, outcome in by_name.items()}
        for target, by_name in outcomes.items()
    }


def _read(data: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Outcome]]:
    return {
        target: {name: Outcome.from_json(outcome) for name, outcome in by_name.items()}
        for target, by_name in data.items()
    }
