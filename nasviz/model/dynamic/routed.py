"""Routed layers: they compute the tokens that their routers let through, and no others.

Shapes: B sequences, T tokens, k of them that a layer computes, M width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.additions import routers_of
from nasviz.model.dynamic.reading import Reading
from nasviz.model.dynamic.routers import Routing
from nasviz.model.transformer import Transformer
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths


def routed_walk(model: Transformer, option: MixtureOfDepths | LayerSkip) -> RoutedWalk | None:
    """Return the way of tokens through the layers that `option` routes; None where it has none."""
    if not option.routed(model.architecture.n_layers):
        return None
    return RoutedWalk(routers_of(model, option))


class RoutedWalk:
    """Prompts and generated tokens go through routed layers where a causal router says so.

    A layer that a token skips is not run for it at all. The sequences of a batch have a reading
    each, since their layers hold different numbers of keys.
    """

    one_by_one = True

    def __init__(self, routers: Routing) -> None:
        self.routers = routers

    def settle(self, model: Transformer, tokens: Tensor, reading: Reading) -> None:
        """Do nothing: each step is whole."""

    def read(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one sequence's prompt, or a further part: (1, T) → (1, V)."""
        hidden = self._through(model, tokens, reading.cache)
        logits: Tensor = model.head(hidden[:, -1])
        return logits

    def step(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one more token of one sequence: (1,) → (1, V).

        As `read` does, without what several tokens need: a token is in its place in every layer.
        """
        cache, done = reading.cache, 0
        depth = model.architecture.n_layers
        hidden = model.embed(tokens.unsqueeze(1), cache.length)  # (1, 1, M)
        for layer in self.routers.layers:
            if done < layer:
                hidden = model.run_layers(hidden, done, layer, cache)
            done = layer + 1
            predicted = self.routers.predict(layer, hidden)  # (1, 1)
            if predicted.item() > 0:
                after = model.run_layers(hidden, layer, done, cache)
                weight = self.routers.score(layer, hidden, predicted).sigmoid().unsqueeze(-1)
                hidden = torch.lerp(hidden, after, weight)
            else:
                cache.pass_over(layer, 1)
                depth -= 1
        if done < model.architecture.n_layers:
            hidden = model.run_layers(hidden, done, cache=cache)
        reading.depths.append(torch.full_like(tokens, depth))
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
        hidden, said = routed_states(model, self.routers, model.embed(tokens))
        skipped = (torch.stack(said) <= 0).sum(dim=0)
        return model.head(hidden), model.architecture.n_layers - skipped

    def _through(self, model: Transformer, tokens: Tensor, cache: KVCache) -> Tensor:
        """Return the stream (1, T, M) after all layers."""
        start, done = cache.length, 0
        hidden = model.embed(tokens, start)  # (1, T, M)
        for layer in self.routers.layers:
            hidden = model.run_layers(hidden, done, layer, cache)
            done = layer + 1
            predicted = self.routers.predict(layer, hidden)  # (1, T)
            places = (predicted[0] > 0).nonzero()[:, 0]  # (k,)
            if len(places):
                going = hidden[:, places]  # (1, k, M)
                positions = (start + places).unsqueeze(0)
                after = model.run_layers(going, layer, done, cache, positions=positions)
                weights = self.routers.score(layer, going, predicted[:, places]).sigmoid()
                going = torch.lerp(going, after, weights.unsqueeze(-1))
                hidden = hidden.index_copy(1, places, going)
            cache.pass_over(layer, hidden.shape[1] - len(places))
        if done < model.architecture.n_layers:
            hidden = model.run_layers(hidden, done, cache=cache)
        return hidden


def routed_states(
    model: Transformer, routers: Routing, hidden: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Return the stream (B, T, M) of whole texts after all layers, and what routers said.

    The latter is `predict`'s, (B, T) a routed layer. The tokens that go through a layer are
    gathered, at the left end of as many columns as the fullest row needs: those that fill the
    others' rows up come behind, where no token that counts sees them, and what is computed of them
    is thrown away. So is a single column where no token goes: the layer then has a gradient, of
    zero, as it has in other processes.
    """
    said = []
    done = 0
    for layer in routers.layers:
        hidden = model.run_layers(hidden, done, layer)
        done = layer + 1
        predicted = routers.predict(layer, hidden)  # (B, T)
        goes = predicted > 0
        width = max(int(goes.sum(dim=1).max()), int(model.training))
        if width:
            order = (~goes).long().argsort(dim=1, stable=True)[:, :width]  # going ones first
            score = partial(routers.score, layer, predicted=predicted.gather(1, order))
            routed = routed_layer(model, layer, hidden, order, score)
            hidden = torch.where(goes.unsqueeze(-1), routed, hidden)
        said.append(predicted)
    return model.run_layers(hidden, done), said


def routed_layer(
    model: Transformer,
    layer: int,
    hidden: Tensor,
    places: Tensor,
    score: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return the stream (B, T, M) after `layer` has computed the tokens at `places` (B, k).

    Each sees those before it in `places`. `score` gives their scores (B, k) from their stream
    (B, k, M); what the layer adds is weighed by the sigmoid.
    """
    index = places.unsqueeze(-1).expand(-1, -1, hidden.shape[2])  # (B, k, M)
    going = hidden.gather(1, index)
    after = model.run_layers(going, layer, layer + 1, positions=places)
    weights = score(going).sigmoid().unsqueeze(-1)  # (B, k, 1)
    return hidden.scatter(1, index, torch.lerp(going, after, weights))
