"""What a policy adds to a model to be learned: kept with its weights, under the option's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import nn

from nasviz.errors import InputError
from nasviz.model.dynamic.cascade import small_model
from nasviz.model.dynamic.exits import Exits
from nasviz.model.dynamic.routers import Routers, SkipGates, skip_gates
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.option import Option

# Options that learn something, or nothing as they are set; the others' models are the static one.
ADDITIONS: Mapping[type[Option], Callable[[Transformer, Any], nn.Module | None]] = MappingProxyType(
    {
        EarlyExit: Exits,
        MixtureOfDepths: Routers,
        LayerSkip: skip_gates,
        Cascade: small_model,
    }
)


def build_model(architecture: Architecture, policy: InferencePolicy) -> Transformer:
    """Return a model with what `policy` adds; raises `InputError` where the two don't fit."""
    policy.check_fits(architecture)
    model = Transformer(architecture)
    model.built_for = policy
    for option in policy.options:
        if type(option) in ADDITIONS:
            learned = ADDITIONS[type(option)](model, option)
            if learned is not None:
                model.additions[option.NAME] = learned
    return model


def exits_of(model: Transformer, option: EarlyExit) -> Exits:
    """Return the exits by which `option` runs `model`: its own head, or what it learned for them.

    Raises `InputError` where the option needs heads or gates that the model was not trained with.
    """
    exits = Exits(model, replace(option, heads="shared", criterion="max_probability"))
    learned = dict(model.additions.items()).get(EarlyExit.NAME)
    if option.heads == "own":
        exits.heads = _learned(learned, "heads", exits.layers, "heads='shared'")
    if option.criterion == "gate":
        exits.gates = _learned(learned, "gates", exits.layers, "another criterion")
    return exits


def routers_of(model: Transformer, option: MixtureOfDepths | LayerSkip) -> Routers | SkipGates:
    """Return the routers by which `option` runs `model`.

    Raises `InputError` where the model was not trained with routers of these layers.
    """
    learned = dict(model.additions.items()).get(option.NAME)
    wanted = option.routed(model.architecture.n_layers)
    if not isinstance(learned, Routers | SkipGates):
        raise InputError(
            f"{option.NAME} needs routers that this model was not trained with; train the "
            "candidate anew"
        )
    if learned.layers != wanted:
        raise InputError(
            f"{option.NAME} routes layers {', '.join(map(str, wanted))}, and the model learned "
            f"routers of {', '.join(map(str, learned.layers)) or 'none'}; use those, or train anew"
        )
    return learned


def _learned(
    learned: nn.Module | None, part: str, layers: tuple[int, ...], instead: str
) -> nn.ModuleList:
    """Return the heads or gates after `layers` of a model's learned exits."""
    found = getattr(learned, part) if isinstance(learned, Exits) else ()
    if not isinstance(learned, Exits) or not len(found):
        raise InputError(
            f"early_exit needs {part} that this model was not trained with; choose {instead}, or "
            "train the candidate anew"
        )
    missing = [layer for layer in layers if layer not in learned.layers]
    if missing:
        raise InputError(
            f"early_exit has an exit after {missing[0]} layers, and the model learned {part} "
            f"after {', '.join(map(str, learned.layers))}; use those, or choose {instead}"
        )
    return nn.ModuleList(found[learned.layers.index(layer)] for layer in layers)
