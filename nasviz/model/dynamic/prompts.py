"""How a prompt goes through the layers: `Prompt`, and the plain way, all of it through all."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from nasviz.model.dynamic.reading import Reading
from nasviz.model.transformer import Transformer


class Prompt(Protocol):
    """A way of prompts through the layers. B sequences, T tokens, V vocabulary."""

    def read(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after a prompt, or a further part of it: (B, T) → (B, V)."""


class WholePrompt:
    """Every token through every layer: the static model."""

    def read(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after a prompt: (B, T) → (B, V)."""
        return model.prefill(tokens, reading.cache)
