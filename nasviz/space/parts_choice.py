"""`PartsChoice`: the parts of a model that are to stay, while they are still being chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.importance import Scores, most_important
from nasviz.space.kept import Indices, Kept, groups_of


@dataclass(frozen=True)
class PartsChoice:
    """Layers, and of every layer its query heads and how many feed-forward units an expert keeps.

    Any choice can be held, also one that no model can have (`kept` says what is wrong with it): on
    the way from one good choice to another. A layer that goes remembers its parts.
    """

    parent: Architecture
    layers: frozenset[int]
    heads: tuple[frozenset[int], ...]
    d_ff: tuple[int, ...]

    @classmethod
    def whole(cls, parent: Architecture) -> PartsChoice:
        """Return the choice of everything."""
        sizes = [parent.sizes_of(layer) for layer in range(parent.n_layers)]
        return cls(
            parent,
            frozenset(range(parent.n_layers)),
            tuple(frozenset(range(each.n_heads)) for each in sizes),
            tuple(each.d_ff for each in sizes),
        )

    @property
    def is_whole(self) -> bool:
        """Whether nothing goes."""
        return self == self.whole(self.parent)

    @property
    def group_size(self) -> int:
        """Query heads that read one KV head."""
        return self.parent.n_heads // self.parent.n_kv_heads

    def toggled_layer(self, layer: int) -> PartsChoice:
        """Return the choice without a layer that it has, or with one that it lacks."""
        return replace(self, layers=self.layers ^ {layer})

    def toggled_heads(self, layer: int, heads: Iterable[int]) -> PartsChoice:
        """Return the choice without these heads of a layer, or with them where one is lacking."""
        chosen, here = frozenset(heads), self.heads[layer]
        changed = here - chosen if chosen <= here else here | chosen
        return replace(self, heads=_with(self.heads, layer, changed))

    def toggled_group(self, layer: int, group: int) -> PartsChoice:
        """Return the choice without the heads that read a layer's KV head, or with all of them."""
        first = group * self.group_size
        return self.toggled_heads(layer, range(first, first + self.group_size))

    def toggled_feed_forward(self, layer: int) -> PartsChoice:
        """Return the choice without a layer's feed-forward part, or with all of its units."""
        units = 0 if self.d_ff[layer] else self.parent.sizes_of(layer).d_ff
        return replace(self, d_ff=_with(self.d_ff, layer, units))

    def with_layers(self, layers: Iterable[int]) -> PartsChoice:
        """Return the choice of exactly these layers."""
        return replace(self, layers=frozenset(layers))

    def with_groups(self, n: int, importance: Scores | None) -> PartsChoice:
        """Return the choice of `n` whole KV groups in every layer, the most important ones.

        A layer that has fewer keeps them all. `importance` are the scores of heads (L, H), of which
        groups have the sum; None keeps the first groups.
        """
        a, size = self.parent, self.group_size
        scores = np.zeros((a.n_layers, a.n_heads)) if importance is None else importance
        by_group = scores.reshape(a.n_layers, a.n_kv_heads, size).sum(axis=2)
        heads = []
        for layer, each in enumerate(by_group):
            best = most_important(each[: a.sizes_of(layer).n_kv_heads], n)
            heads.append(frozenset(group * size + head for group in best for head in range(size)))
        return replace(self, heads=tuple(heads))

    def with_d_ff(self, n: int) -> PartsChoice:
        """Return the choice of `n` feed-forward units in every layer, or all where it has fewer."""
        layers = range(self.parent.n_layers)
        return replace(self, d_ff=tuple(min(n, self.parent.sizes_of(each).d_ff) for each in layers))

    @property
    def most_groups(self) -> int:
        """The most KV heads that a kept layer has; of no layer, 0."""
        chosen = (self.heads[each] for each in self.layers)
        return max((len(groups_of(self.parent, each)) for each in chosen), default=0)

    @property
    def most_d_ff(self) -> int:
        """The most feed-forward units that a kept layer has; of no layer, 0."""
        return max((self.d_ff[each] for each in self.layers), default=0)

    def kept(self, importance: Scores | None) -> Kept:
        """Return the choice as a model is pruned by it.

        `importance` are the scores of feed-forward units (L, X, F): the most important stay; None
        keeps the first ones. Raises `InputError` for a choice that leaves no architecture.
        """
        a, layers = self.parent, sorted(self.layers)
        self._check_something_stays()
        scores = np.zeros((a.n_layers, a.experts, a.d_ff)) if importance is None else importance
        return Kept.of(
            a,
            layers=layers,
            heads=[sorted(self.heads[layer]) for layer in layers],
            ff_units=[self._units(layer, scores[layer]) for layer in layers],
        )

    def _check_something_stays(self) -> None:
        for parts, named in ((self.heads, "head"), (self.d_ff, "feed-forward unit")):
            if self.layers and not any(parts[layer] for layer in self.layers):
                raise InputError(f"no layer keeps a {named}; keep some in one layer at least")

    def _units(self, layer: int, scores: Scores) -> list[Indices]:
        there = self.parent.sizes_of(layer).d_ff
        return [most_important(each[:there], self.d_ff[layer]) for each in scores]


def _with(parts: tuple[Any, ...], layer: int, changed: Any) -> tuple[Any, ...]:
    return (*parts[:layer], changed, *parts[layer + 1 :])
