"""What is said of one model family of `transformers`: what it can express, and its words for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from nasviz.space.architecture import Architecture
from nasviz.space.field import Value

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Rule:
    """One condition on a field, and the value that would meet it (None: no simple one)."""

    name: str
    holds: Callable[[Architecture], bool]
    remedy: Callable[[Architecture], Value | None]


def one_of(name: str, *allowed: Value) -> Rule:
    """Return the rule that the field `name` has one of the `allowed` values, the first by habit."""
    return Rule(name, lambda a: getattr(a, name) in allowed, lambda a: allowed[0])


# Fields that every family expresses at every value. Dropout belongs to training: it is written
# where the family has a place for it, and changes no logits.
FREE = frozenset(
    {"n_layers", "d_model", "n_heads", "vocab_size", "context_length", "d_ff", "dropout"}
    | {"tied_embeddings", "rope_theta", "norm_eps", "gelu_tanh", "n_kv_heads", "head_dim"}
)

# What a family allows of the other fields unless it says more: the plain Llama block.
COMMON: tuple[Rule, ...] = (
    one_of("position", "rope"),
    one_of("norm", "rmsnorm"),
    one_of("mlp", "swiglu", "geglu"),
    one_of("biases", "none"),
    one_of("qk_norm", False),
    one_of("parallel_block", False),
    one_of("experts", 1),
    one_of("experts_per_token", 1),
    one_of("rotary_share", 1.0),
    one_of("extra_positions", 0),
    one_of("scaled_embedding", False),
    one_of("sliding_window", 0),
)


@dataclass(frozen=True)
class Family:
    """One `…ForCausalLM` class: its rules, its configuration and its names of the weights.

    `rules` are those that differ from `COMMON` (a rule of the same field replaces the common one;
    the fields in `free` have none). `paths` maps our modules to theirs, `{}` for layer and expert
    numbers; `rearranged` makes their tensors of ours, under our names, before they are renamed.
    """

    name: str
    model_type: str
    configuration: Callable[[Architecture], dict[str, Any]]
    paths: Mapping[str, str]
    rules: tuple[Rule, ...] = ()
    free: frozenset[str] = field(default_factory=frozenset)
    rearranged: Callable[[Architecture, Weights], Weights] = lambda architecture, weights: weights

    @property
    def model_class(self) -> str:
        """The class in `transformers`."""
        return f"{self.name}ForCausalLM" if self.name != "GPT2" else "GPT2LMHeadModel"

    def obstacles(self, architecture: Architecture) -> tuple[Rule, ...]:
        """Return the rules that `architecture` breaks; none means that this family expresses it."""
        replaced = {rule.name for rule in self.rules} | self.free
        rules = [rule for rule in COMMON if rule.name not in replaced] + list(self.rules)
        return tuple(rule for rule in rules if not rule.holds(architecture))
