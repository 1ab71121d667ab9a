"""`Runner`: a model under a policy, ready to read, to generate and to be scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from nasviz.model.dynamic.caches import changes_cache, new_cache
from nasviz.model.dynamic.cascade import CascadeWalk
from nasviz.model.dynamic.early_exit import EarlyExitWalk
from nasviz.model.dynamic.prompts import Prompt, WholePrompt
from nasviz.model.dynamic.reading import Reading
from nasviz.model.dynamic.routed import routed_walk
from nasviz.model.dynamic.token_pruning import PrunedPrompt
from nasviz.model.dynamic.views import view
from nasviz.model.dynamic.walk import PlainWalk, Walk
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.option import Option
from nasviz.space.options.token_pruning import TokenPruning

# Options that decide which layers the tokens of a prompt go through, or don't as they are set.
PROMPTS: Mapping[type[Option], Callable[[Transformer, Any], Prompt | None]] = MappingProxyType(
    {MixtureOfDepths: routed_walk, LayerSkip: routed_walk, TokenPruning: PrunedPrompt}
)
# Options that decide which layers a generated token goes through, or don't as they are set.
WALKS: Mapping[type[Option], Callable[[Transformer, Any], Walk | None]] = MappingProxyType(
    {
        MixtureOfDepths: routed_walk,
        LayerSkip: routed_walk,
        EarlyExit: EarlyExitWalk,
        Cascade: CascadeWalk,
    }
)


class Runner:
    """Runs `model` under `policy`; the model itself is never changed.

    Its own `model` is what computes: the given one, or a view of its weights.

    Raises `InputError` where the policy doesn't fit the model.
    """

    def __init__(self, model: Transformer, policy: InferencePolicy) -> None:
        policy.check_fits(model.architecture)
        model = view(model, policy)
        self.model = model
        self.policy = policy
        self.prompt: Prompt = _chosen(PROMPTS, model, policy) or WholePrompt()
        self.walk: Walk = _chosen(WALKS, model, policy) or PlainWalk()

    def new_reading(self, max_tokens: int | None = None, batch: int = 1) -> Reading:
        """Return the state of `batch` sequences of which nothing was read."""
        cache = new_cache(self.policy, self.model, max_tokens, batch)
        # Rows that left go on beside the others, and a cache that learns from queries would see it.
        apart = cache.reads_queries and not isinstance(self.walk, PlainWalk)
        if batch > 1 and (self.walk.one_by_one or apart):
            rows = [self.new_reading(max_tokens) for _ in range(batch)]
            return Reading(rows[0].cache, rows=rows)
        return Reading(cache)

    def read(self, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after a prompt, or a further part of it: (B, T) → (B, V)."""
        if reading.rows:
            pairs = zip(torch.split(tokens, 1), reading.rows, strict=True)
            return torch.cat([self.read(row, each) for row, each in pairs])
        self.walk.settle(self.model, tokens, reading)
        return self.prompt.read(self.model, tokens, reading)

    def step(self, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one more generated token a sequence: (B,) → (B, V)."""
        if reading.rows:
            pairs = zip(torch.split(tokens, 1), reading.rows, strict=True)
            logits = torch.cat([self.walk.step(self.model, row, each) for row, each in pairs])
            reading.depths.append(torch.cat([each.depths[-1] for each in reading.rows]))
            return logits
        return self.walk.step(self.model, tokens, reading)

    def logits(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, V) and depths (B, T) of given texts, as if they were generated.

        Every token is handled as a generated one, none as a prompt.
        """
        return self.at_once(tokens) or self.stepped(tokens)

    def at_once(self, tokens: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return what `stepped` does by one pass over the text.

        None where tokens depend on decisions about earlier ones: then only steps tell.
        """
        cache = None
        if changes_cache(self.policy):
            cache = new_cache(self.policy, self.model, tokens.shape[1], len(tokens))
        return self.walk.logits(self.model, tokens, cache)

    def stepped(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and depths token by token: what generation really does."""
        reading = self.new_reading(tokens.shape[1], batch=len(tokens))
        logits = [self.step(column, reading) for column in tokens.unbind(dim=1)]
        return torch.stack(logits, dim=1), torch.stack(reading.depths, dim=1)


def _chosen(
    makers: Mapping[type[Option], Callable[[Transformer, Any], Any]],
    model: Transformer,
    policy: InferencePolicy,
) -> Any:
    """Return what the first of the policy's options in `makers` makes of itself, if any does."""
    for option in policy.options:
        if type(option) in makers and option != _as_neutral(option):
            made = makers[type(option)](model, option)
            if made is not None:
                return made
    return None


def _as_neutral(option: Option) -> Option:
    """Return the option with its neutral settings in place of its own."""
    return type(option)(**{**option.to_json(), **option.NEUTRAL})
