"""How generated tokens go through the layers: `Walk`, and the plain one, through all of them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.reading import Reading
from nasviz.model.transformer import Transformer


class Walk(Protocol):
    """A way of generated tokens through the layers. B sequences, T tokens, V vocabulary.

    How a prompt goes is a matter of its own: see `nasviz.model.dynamic.prompts`.
    """

    @property
    def one_by_one(self) -> bool:
        """Whether the sequences of a batch need a reading each."""

    def settle(self, model: Transformer, tokens: Tensor, reading: Reading) -> None:
        """Finish what steps left undone, before `tokens` (B, T) of a prompt are read."""

    def step(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one more generated token: (B,) → (B, V)."""

    def logits(
        self, model: Transformer, tokens: Tensor, cache: KVCache | None
    ) -> tuple[Tensor, Tensor] | None:
        """Return what `step` says after each token, at once, (B, T, V), and the depths, (B, T).

        `cache` is an empty one where it decides what tokens find; else there is none.
        None where each token depends on decisions about those before it: then only steps tell.
        """


class PlainWalk:
    """Every token through every layer: the static model."""

    one_by_one = False

    def settle(self, model: Transformer, tokens: Tensor, reading: Reading) -> None:
        """Do nothing: each step is whole."""

    def step(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one more token: (B,) → (B, V)."""
        depth = model.architecture.n_layers
        reading.depths.append(torch.full_like(tokens, depth))
        return model.decode(tokens, reading.cache)

    def logits(
        self, model: Transformer, tokens: Tensor, cache: KVCache | None
    ) -> tuple[Tensor, Tensor] | None:
        """Return logits (B, T, V), and every layer for each token, (B, T)."""
        logits = model.head(model.run_layers(model.embed(tokens), cache=cache))
        return logits, torch.full_like(tokens, model.architecture.n_layers)
