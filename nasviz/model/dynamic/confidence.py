"""How sure an exit is: each criterion as a number from 0 to 1.

Shapes: (...) are tokens, V the vocabulary, M the width. Sources: `EarlyExit`'s docstring.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor

from nasviz.model.dynamic.exits import Exits
from nasviz.space.options.early_exit import Criterion


class Watch:
    """The confidence of one exit after another for the same tokens.

    What an exit says is compared with what the one before said, so exits come in order, from the
    first. `start` is the residual stream before the first layer, (..., M).
    """

    def __init__(self, exits: Exits, criterion: Criterion, start: Tensor) -> None:
        self.exits = exits
        self.criterion = criterion
        self._place = 0
        self._before = start
        self._said: Tensor | None = None
        self._streak: Tensor | None = None

    def look(self, hidden: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the next exit's confidence, (...) float32, and its logits where they were read."""
        place, self._place = self._place, self._place + 1
        if self.criterion == "saturation":
            cosine = saturation(hidden, self._before)
            self._before = hidden
            return cosine, None
        if self.criterion == "gate":
            return torch.sigmoid(self.exits.gate(place, hidden).float()), None
        logits = self.exits.logits(place, hidden)
        return self._from_logits(logits), logits

    def _from_logits(self, logits: Tensor) -> Tensor:
        if self.criterion == "patience":
            return self._patience(logits.argmax(dim=-1))
        return from_logits(self.criterion, logits)

    def _patience(self, said: Tensor) -> Tensor:
        """Return how many exits in a row, this one included, say so, as a share of all exits."""
        if self._said is None or self._streak is None:
            self._streak = torch.ones_like(said)
        else:
            self._streak = torch.where(said == self._said, self._streak + 1, 1)
        self._said = said
        # Divided in float32, as in a trace, so that both compare alike with a threshold.
        return self._streak.float() / len(self.exits.layers)


def saturation(hidden: Tensor, before: Tensor) -> Tensor:
    """Return the cosine of two residual streams, (..., M) twice → (...) float32, 0 where negative.

    For a single token three dot products: a quarter of the time.
    """
    here, there = hidden.float(), before.float()
    if here.numel() != here.shape[-1]:
        return F.cosine_similarity(here, there, dim=-1).clamp(0, 1)
    one, other = here.flatten(), there.flatten()
    scale = torch.dot(one, one) * torch.dot(other, other)
    return (torch.dot(one, other) * scale.rsqrt()).clamp(0, 1).view(here.shape[:-1])


def from_logits(criterion: Criterion, logits: Tensor) -> Tensor:
    """Return the confidence that logits alone decide, (..., V) → (...) float32."""
    exact = logits.float()
    if criterion == "max_probability":
        likeliest: Tensor = exact.softmax(dim=-1).amax(dim=-1)
        return likeliest
    if criterion == "margin":
        first, second = exact.softmax(dim=-1).topk(2, dim=-1).values.unbind(dim=-1)
        return first - second
    if criterion == "entropy":
        entropy: Tensor = torch.special.entr(exact.softmax(dim=-1)).sum(dim=-1)
        return (1 - entropy / math.log(exact.shape[-1])).clamp(0, 1)
    raise ValueError(f"{criterion} is not decided by logits alone")
