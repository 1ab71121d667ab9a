"""What is minimised: the model's own loss, and what a policy's options add to it.

Shapes: B sequences, T tokens, V vocabulary, M width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.option import Option
from nasviz.training.exit_loss import exit_loss
from nasviz.training.plan import TrainingPlan

# The residual stream after so many layers, (B, T, M).
States = Mapping[int, Tensor]
ExtraLoss = Callable[[Transformer, Any, States, Tensor, Tensor, TrainingPlan], Tensor]

# What an option adds, given states, the whole model's logits (B, T, V) and targets (B, T).
EXTRA_LOSSES: Mapping[type[Option], ExtraLoss] = MappingProxyType({EarlyExit: exit_loss})


def batch_losses(
    model: Transformer, tokens: Tensor, targets: Tensor, policy: InferencePolicy, plan: TrainingPlan
) -> tuple[Tensor, Tensor]:
    """Return what is minimised and the whole model's own loss, both in nats a token.

    Without an option that has a loss of its own the two are one. Tokens and targets are (B, T).
    """
    options = [each for each in policy.options if type(each) in EXTRA_LOSSES]
    wanted = {layer for each in options for layer in _layers_of(each, model)}
    states, last = _states(model, tokens, wanted)
    logits = model.head(last)
    own = cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
    total = own
    for option in options:
        total = total + EXTRA_LOSSES[type(option)](model, option, states, logits, targets, plan)
    return total, own


def _layers_of(option: Option, model: Transformer) -> tuple[int, ...]:
    """Return after which layers an option's loss looks at the residual stream."""
    return option.exits(model.architecture.n_layers) if isinstance(option, EarlyExit) else ()


def _states(model: Transformer, tokens: Tensor, layers: set[int]) -> tuple[States, Tensor]:
    """Return the residual stream after each of `layers`, and after the last one."""
    hidden = model.embed(tokens)
    states: dict[int, Tensor] = {}
    done = 0
    for layer in sorted(layers):
        hidden = model.run_layers(hidden, done, layer)
        states[layer], done = hidden, layer
    return states, model.run_layers(hidden, done)
