"""The one list of dynamic-inference options, in the order in which they act on a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from nasviz.errors import unknown_name
from nasviz.space.field import Field
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.options.option import Option
from nasviz.space.options.self_speculation import SelfSpeculation
from nasviz.space.options.token_pruning import TokenPruning
from nasviz.space.options.weight_quantization import WeightQuantization

# Weights first, then the way through the layers, then the cache: bits of layers are those of all
# layers, and exits stand in those that run.
OPTIONS: tuple[type[Option], ...] = (
    DynamicWidth,
    MixtureOfExperts,
    WeightQuantization,
    LayerSkip,
    ActivationSparsity,
    MixtureOfDepths,
    TokenPruning,
    EarlyExit,
    SelfSpeculation,
    Cascade,
    KVWindow,
    KVEviction,
    KVQuantization,
)

BY_NAME: Mapping[str, type[Option]] = MappingProxyType({each.NAME: each for each in OPTIONS})


def option_named(name: str) -> type[Option]:
    """Return the option of that name; raises `InputError` with the nearest one."""
    if name not in BY_NAME:
        raise unknown_name("inference option", name, BY_NAME)
    return BY_NAME[name]


def switch_field(option: type[Option]) -> Field:
    """Return the catalogue's field that says whether the option is on."""
    return Field(option.NAME, option.LABEL, "switch", option.HELP, option.REFERENCE, default=False)


def setting_fields(option: type[Option]) -> tuple[Field, ...]:
    """Return the catalogue's fields of the option's settings: `early_exit.threshold`, …."""
    return tuple(replace(each, name=f"{option.NAME}.{each.name}") for each in option.FIELDS)


OPTION_FIELDS: tuple[Field, ...] = tuple(
    field for option in OPTIONS for field in (switch_field(option), *setting_fields(option))
)
