"""Self-speculative decoding: guesses of the first layers, checked by the others in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nasviz.model.choice import Chooser
from nasviz.model.dynamic.reading import Reading
from nasviz.model.transformer import Transformer
from nasviz.space.options.self_speculation import SelfSpeculation


@dataclass
class Drafts:
    """How guessing went: `rounds` of it, `drafted` tokens guessed, `accepted` of them."""

    rounds: int = 0
    drafted: int = 0
    accepted: int = 0

    @property
    def acceptance(self) -> float:
        """The share of guesses that stayed; 0 where there was none."""
        return self.accepted / self.drafted if self.drafted else 0.0

    @property
    def tokens_per_round(self) -> float:
        """Tokens that a round gave: the guesses that stayed and one of its own; 0 without any."""
        return 1 + self.accepted / self.rounds if self.rounds else 0.0


class Speculator:
    """Writes one sequence in rounds of guesses and checks."""

    def __init__(self, model: Transformer, option: SelfSpeculation) -> None:
        self.model = model
        self.option = option
        self.drafts = Drafts()

    def round(self, token: int, reading: Reading, most: int, chooser: Chooser) -> list[int]:
        """Return the tokens that follow `token`, which was not read yet: at least one.

        At most `most` are guessed. The cache ends with the last token but one that is returned.

        A guess g with chance q(g) under the draft and p(g) under the model stays with chance
        min(1, p / q), else its place is drawn from what p exceeds q by, so that tokens are those of
        p (Leviathan et al. 2023, algorithm 1, arXiv:2211.17192). At temperature 0 chances are 0 and
        1: a guess stays where it is the model's own choice.
        """
        model, cache = self.model, reading.cache
        layers, start = self.option.draft_layers, reading.length
        read, states, guessed = [token], [], []
        for place in range(min(self.option.draft_length, most) + 1):
            hidden = model.embed(self._tensor(read[-1]), cache.length)  # (1, 1, M)
            states.append(model.run_layers(hidden, 0, layers, cache))
            if place < min(self.option.draft_length, most):
                chances = chooser.chances(model.head(states[-1][:, -1])[0])  # (V,)
                guessed.append(chances)
                read.append(chooser.draw(chances))
        checked = model.run_layers(torch.cat(states, dim=1), layers, cache=cache)
        logits = model.head(checked)[0]  # (guesses + 1, V)
        kept = _kept(read[1:], guessed, [chooser.chances(row) for row in logits], chooser)
        cache.forget_after(start + len(kept))
        self.drafts.rounds += 1
        self.drafts.drafted += len(guessed)
        self.drafts.accepted += len(kept) - 1
        return kept

    def _tensor(self, token: int) -> Tensor:
        return torch.tensor([[token]], device=self.model.token_embedding.weight.device)


def _kept(
    guesses: list[int], drafted: list[Tensor], checked: list[Tensor], chooser: Chooser
) -> list[int]:
    """Return the guesses that stay and the model's own token behind them."""
    kept: list[int] = []
    for guess, q, p in zip(guesses, drafted, checked[:-1], strict=True):
        if not chooser.happens(float(p[guess]) / float(q[guess])):
            return [*kept, chooser.draw((p - q).clamp(min=0))]
        kept.append(guess)
    return [*kept, chooser.draw(checked[-1])]
