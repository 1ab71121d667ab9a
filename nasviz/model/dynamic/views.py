"""Which function gives the model that an option computes with; the weights' stage of a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from nasviz.model.dynamic.activation_sparsity import sparsified
from nasviz.model.dynamic.dynamic_width import narrowed
from nasviz.model.dynamic.layer_skip import shortened
from nasviz.model.dynamic.mixture_of_experts import with_fewest_experts
from nasviz.model.dynamic.weight_quantization import quantized
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.options.option import Option
from nasviz.space.options.weight_quantization import WeightQuantization

# From a model and the option's settings to the model that runs; that given is never changed.
VIEWS: Mapping[type[Option], Callable[[Transformer, Any], Transformer]] = MappingProxyType(
    {
        DynamicWidth: narrowed,
        MixtureOfExperts: with_fewest_experts,
        WeightQuantization: quantized,
        LayerSkip: shortened,
        ActivationSparsity: sparsified,
    }
)


def view(model: Transformer, policy: InferencePolicy) -> Transformer:
    """Return the model that `policy` computes with: `model` itself where it leaves weights alone.

    Its `architecture` has the sizes that are really run. Options act in the registry's order.
    """
    for option in policy.options:
        if type(option) in VIEWS:
            model = VIEWS[type(option)](model, option)
    return model
