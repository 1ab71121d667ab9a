"""What is minimised: the model's own loss, and what experts and a policy's options add to it.

Shapes: B sequences, T tokens, V vocabulary, M width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from nasviz.errors import InputError
from nasviz.model.routing import recorded_routing
from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.option import Option
from nasviz.training.balance_loss import balance_loss
from nasviz.training.distillation import Teacher
from nasviz.training.exit_loss import exit_loss
from nasviz.training.nested_width import sandwich
from nasviz.training.plan import TrainingPlan
from nasviz.training.router_loss import predicted_logits, routing_option, taught_states

# The residual stream after so many layers, (B, T, M).
States = Mapping[int, Tensor]
ExtraLoss = Callable[[Transformer, Any, States, Tensor, Tensor, TrainingPlan], Tensor]

# What an option adds, given states, the whole model's logits (B, T, V) and targets (B, T).
EXTRA_LOSSES: Mapping[type[Option], ExtraLoss] = MappingProxyType({EarlyExit: exit_loss})


def batch_losses(
    model: Transformer,
    tokens: Tensor,
    targets: Tensor,
    policy: InferencePolicy,
    plan: TrainingPlan,
    step: int = 0,
    teacher: Teacher | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what is minimised and the whole model's own loss, both in nats a token.

    Without experts and options that have a loss of their own the two are one. Under mixture of
    depths the model's own loss is that of its routers' choice, which reads the future: for
    learning, not a quality. With a `teacher` a part of the loss is what it says instead of the
    text. Tokens and targets are (B, T); what is drawn in a `step` is the same in every process.
    """
    with recorded_routing(model) as routings:
        total, own = _losses_of_policy(model, tokens, targets, policy, plan, teacher)
    if routings and plan.balance_loss:
        total = total + plan.balance_loss * balance_loss(routings)
    width = policy.get(DynamicWidth)
    if width is not None:
        _check_whole(plan)
        for sizes in sandwich(model.architecture, width, seed=plan.seed, step=step):
            narrower = subnetwork(model, sizes)(tokens)
            total = total + cross_entropy(narrower.flatten(0, 1).float(), targets.flatten())
    return total, own


def _losses_of_policy(
    model: Transformer,
    tokens: Tensor,
    targets: Tensor,
    policy: InferencePolicy,
    plan: TrainingPlan,
    teacher: Teacher | None,
) -> tuple[Tensor, Tensor]:
    """Return the loss of the whole model with what its options learn, and its own, nats a token."""
    options = [each for each in policy.options if type(each) in EXTRA_LOSSES]
    wanted = {layer for each in options for layer in _layers_of(each, model)}
    if teacher is not None:
        wanted |= set(teacher.layers)
    routing = routing_option(model, policy)
    if routing is None:
        states, last = _states(model, tokens, wanted)
        logits = model.head(last)
        total = own = cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
    else:  # no option that it goes together with looks at states on the way
        states, (last, learned) = {}, taught_states(model, routing, model.embed(tokens))
        logits = model.head(last)
        own = cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
        total = own + learned
    if teacher is not None:
        total = total + teacher.correction(tokens, logits, own, states)
    for option in options:
        total = total + EXTRA_LOSSES[type(option)](model, option, states, logits, targets, plan)
    if policy.get(Cascade) is not None:
        small = model.additions[Cascade.NAME](tokens)
        total = total + cross_entropy(small.flatten(0, 1).float(), targets.flatten())
    return total, own


def held_out_logits(model: Transformer, tokens: Tensor, policy: InferencePolicy) -> Tensor:
    """Return the logits (B, T, V) that are scored on held-out text while the model is trained.

    Those of all layers, or, where tokens are routed, of those that the causal routers choose.
    """
    routing = routing_option(model, policy)
    if routing is not None:
        return predicted_logits(model, routing, tokens)
    logits: Tensor = model.head(model.run_layers(model.embed(tokens)))
    return logits


def _check_whole(plan: TrainingPlan) -> None:
    if plan.zero_stage == 3:
        raise InputError(
            "training plan: dynamic_width trains slices of whole matrices, and zero_stage=3 keeps "
            "only slices of its own; choose zero_stage=2"
        )


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
