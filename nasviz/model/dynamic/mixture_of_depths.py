"""Mixture of depths in the model: routed layers compute the tokens that go through them, no others.

Shapes: B sequences, T tokens, k of them that a layer computes, M width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.additions import routers_of
from nasviz.model.dynamic.reading import Reading
from nasviz.model.dynamic.routers import Routers
from nasviz.model.transformer import Transformer
from nasviz.space.options.mixture_of_depths import MixtureOfDepths


class RoutedWalk:
    """Prompts and generated tokens go through routed layers where the causal predictor says so.

    A layer that a token skips is not run for it at all. The sequences of a batch have a reading
    each, since their layers hold different numbers of keys.
    """

    one_by_one = True

    def __init__(self, model: Transformer, option: MixtureOfDepths) -> None:
        self.routers = routers_of(model, option)

    def settle(self, model: Transformer, tokens: Tensor, reading: Reading) -> None:
        """Do nothing: each step is whole."""

    def read(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one sequence's prompt, or a further part: (1, T) → (1, V)."""
        hidden, _ = self._through(model, tokens, reading.cache)
        logits: Tensor = model.head(hidden[:, -1])
        return logits

    def step(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one more token of one sequence: (1,) → (1, V)."""
        hidden, depths = self._through(model, tokens.unsqueeze(1), reading.cache)
        reading.depths.append(depths[:, -1])
        logits: Tensor = model.head(hidden[:, -1])
        return logits

    def logits(
        self, model: Transformer, tokens: Tensor, cache: KVCache | None
    ) -> tuple[Tensor, Tensor] | None:
        """Return logits (B, T, V), and through how many layers each token went, (B, T).

        None with a cache of its own kind: its sequences would need one each.
        """
        if cache is not None:
            return None
        hidden, depths = routed_states(model, self.routers, model.embed(tokens))
        return model.head(hidden), depths

    def _through(self, model: Transformer, tokens: Tensor, cache: KVCache) -> tuple[Tensor, Tensor]:
        """Return the stream (1, T, M) after all layers, and how many each token went through."""
        start, done = cache.length, 0
        hidden = model.embed(tokens, start)  # (1, T, M)
        depths = torch.full_like(tokens, model.architecture.n_layers)
        for layer in self.routers.layers:
            hidden = model.run_layers(hidden, done, layer, cache)
            done = layer + 1
            goes = self.routers.predict(layer, hidden)[0] > 0  # (T,)
            places = goes.nonzero()[:, 0]  # (k,)
            if len(places):
                going = hidden[:, places]  # (1, k, M)
                positions = (start + places).unsqueeze(0)
                after = model.run_layers(going, layer, done, cache, positions=positions)
                weights = self.routers.score(layer, going).sigmoid().unsqueeze(-1)
                hidden = hidden.index_copy(1, places, torch.lerp(going, after, weights))
            cache.pass_over(layer, len(goes) - len(places))
            depths = depths - (~goes).long()
        if done < model.architecture.n_layers:
            hidden = model.run_layers(hidden, done, cache=cache)
        return hidden, depths


def routed_states(model: Transformer, routers: Routers, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return the stream (B, T, M) of whole texts after all layers, and each token's depth (B, T).

    By the causal predictors. The tokens that go through a layer are gathered, at the left end of as
    many columns as the fullest row needs: those that fill the others' rows up come behind, where
    no token that counts sees them, and what is computed of them is thrown away.
    """
    depths = torch.full(hidden.shape[:2], model.architecture.n_layers, device=hidden.device)
    done = 0
    for layer in routers.layers:
        hidden = model.run_layers(hidden, done, layer)
        done = layer + 1
        goes = routers.predict(layer, hidden) > 0  # (B, T)
        width = int(goes.sum(dim=1).max())
        if width:
            order = (~goes).long().argsort(dim=1, stable=True)[:, :width]  # going ones first
            routed = _routed(model, routers, layer, hidden, order)
            hidden = torch.where(goes.unsqueeze(-1), routed, hidden)
        depths = depths - (~goes).long()
    return model.run_layers(hidden, done), depths


@dataclass(frozen=True)
class Choice:
    """What one routed layer chose in training, (B, T): `chosen`, and the predictor's `logits`."""

    chosen: Tensor
    logits: Tensor


def expert_choice(
    model: Transformer, option: MixtureOfDepths, hidden: Tensor
) -> tuple[Tensor, list[Choice]]:
    """Return the stream (B, T, M) as it is in training, and what each routed layer chose.

    A layer takes the tokens of each text that its router scores highest. Predictors read the stream
    without changing it: their gradient ends there.
    """
    routers = routers_of(model, option)
    choices = []
    done = 0
    for layer in routers.layers:
        hidden = model.run_layers(hidden, done, layer)
        done = layer + 1
        scores = routers.score(layer, hidden)  # (B, T)
        top = scores.topk(option.chosen(hidden.shape[1]), dim=1).indices.sort(dim=1).values
        chosen = torch.zeros_like(scores, dtype=torch.bool).scatter(1, top, True)
        choices.append(Choice(chosen, routers.predict(layer, hidden.detach())))
        hidden = _routed(model, routers, layer, hidden, top, scores)
    return model.run_layers(hidden, done), choices


def _routed(
    model: Transformer,
    routers: Routers,
    layer: int,
    hidden: Tensor,
    places: Tensor,
    scores: Tensor | None = None,
) -> Tensor:
    """Return the stream (B, T, M) after `layer` has computed the tokens at `places` (B, k).

    Each sees those before it in `places`. `scores` (B, T) are the router's, where they are known.
    """
    index = places.unsqueeze(-1).expand(-1, -1, hidden.shape[2])  # (B, k, M)
    going = hidden.gather(1, index)
    known = routers.score(layer, going) if scores is None else scores.gather(1, places)
    after = model.run_layers(going, layer, layer + 1, positions=places)
    return hidden.scatter(1, index, torch.lerp(going, after, known.sigmoid().unsqueeze(-1)))
