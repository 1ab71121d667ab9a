"""What early exit learns besides the model: heads of its own and gates, one each an exit."""

from __future__ import annotations

from torch import Tensor, nn

from nasviz.model.transformer import Head, Transformer
from nasviz.space.options.early_exit import EarlyExit


class Gate(nn.Linear):
    """A learned classifier of the residual stream: whether a token may leave."""

    def __init__(self, d_model: int) -> None:
        super().__init__(d_model, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logit of leaving, (..., M) → (...)."""
        logit: Tensor = super().forward(hidden).squeeze(-1)
        return logit


class Exits(nn.Module):
    """The heads and gates of an early exit's places; empty where heads are shared and no gate.

    Its `layers` say after how many layers each stands.
    """

    def __init__(self, model: Transformer, option: EarlyExit) -> None:
        super().__init__()
        architecture = model.architecture
        self.layers = option.exits(architecture.n_layers)
        untied = architecture.with_(tied_embeddings=False)
        own = self.layers if option.heads == "own" else ()
        gated = self.layers if option.criterion == "gate" else ()
        self.heads = nn.ModuleList(Head(untied, model.token_embedding) for _ in own)
        self.gates = nn.ModuleList(Gate(architecture.d_model) for _ in gated)
        self._shared = (model.head,)  # in a tuple, so that torch doesn't list it a second time

    def logits(self, place: int, hidden: Tensor) -> Tensor:
        """Return what exit number `place` says of the residual stream, (..., M) → (..., V)."""
        head = self.heads[place] if len(self.heads) else self._shared[0]
        logits: Tensor = head(hidden)
        return logits

    def gate(self, place: int, hidden: Tensor) -> Tensor:
        """Return the logit of leaving at exit number `place`, (..., M) → (...)."""
        logit: Tensor = self.gates[place](hidden)
        return logit
