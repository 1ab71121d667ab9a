"""How far a model is from itself with one block replaced: every choice for every layer.

Bercovich et al. 2024, Puzzle, arXiv:2411.19146, section 3: a replacement is scored by the
divergence of the whole model's chances from the parent's, and may be taught before, by itself, to
return what the block did. Layers below the replaced one are computed once for all choices.

A whole model's divergence is thought to be the sum of its replacements', and is more: of an 8 × 128
model cut to 0.69 of its weights 1.4 times, to 0.50 of them 1.8 times as much (as cut and as taught
alike), and where seven of eight layers were replaced or left out 2.6 times. The sum ranks; what a
solution comes to is measured and stored beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nasviz.evaluation.importance.parts import blocks_of
from nasviz.evaluation.importance.texts import batched
from nasviz.evaluation.replacement.local import Teaching, taught
from nasviz.evaluation.scoring import evaluating
from nasviz.model.pruned import pruned
from nasviz.model.transformer import Block, Transformer
from nasviz.space.importance import Importance
from nasviz.space.replacement.choices import Choices, kept_by


@dataclass(frozen=True, eq=False)
class BlockScore:
    """What choice `choice` for layer `layer` came to on the calibration text.

    divergence: of the chances of the next token from the parent's, in nats a token.
    rise: of the loss on the text, in nats a token.
    left_over: what teaching left of the mean squared error of a block that does nothing; None where
        nothing was taught. `block` is then the block that was taught, to start from.
    """

    layer: int
    choice: int
    divergence: float
    rise: float
    left_over: float | None = None
    block: Block | None = None


def block_scores(
    model: Transformer,
    choices: Choices,
    importance: Importance,
    texts: Tensor,
    *,
    first: int = 0,
    teaching: Teaching | None = None,
) -> Iterator[BlockScore]:
    """Yield the score of each choice for each layer from `first` on, in turn.

    `importance` says which heads and units a replacement keeps of its block. Texts are (B, T). With
    `teaching` each replacement that computes something is first taught what its block returns.
    """
    texts = texts.to(model.token_embedding.weight.device)
    with evaluating(model):
        parent = _Parent(model, texts)
        below = _Stream(model, texts[:, :-1], first)
        taught_on = None if teaching is None else _Stream(model, teaching.texts, first)
        for layer in range(first, model.architecture.n_layers):
            own = list(model.architecture.sizes_by_layer)
            for number, choice in enumerate(choices[layer]):
                if choice == own[layer]:
                    yield BlockScore(layer, number, 0.0, 0.0)
                    continue
                sizes = [*own[:layer], choice, *own[layer + 1 :]]
                child = pruned(model, kept_by(model.architecture, importance, sizes))
                left_over: float | None = None
                block: Block | None = None
                if choice is not None and teaching is not None and taught_on is not None:
                    seed = (teaching.seed, layer, number)
                    left_over = taught(child, layer, *taught_on.around, teaching, seed)
                    block = blocks_of(child)[layer]
                divergence, nats = parent.compared(child, layer, below.hidden)
                yield BlockScore(layer, number, divergence, nats - parent.nats, left_over, block)
            for stream in (below, taught_on):
                if stream is not None:
                    stream.advance()


def compared(model: Transformer, child: Transformer, texts: Tensor) -> tuple[float, float]:
    """Return what `child` as a whole is from `model` on texts (B, T): divergence and rise.

    Both are in nats a token, as in `BlockScore`.
    """
    texts = texts.to(model.token_embedding.weight.device)
    with evaluating(model), torch.no_grad():
        parent = _Parent(model, texts)
        before = torch.cat([child.embed(some) for some in batched(texts[:, :-1])])
        divergence, nats = parent.compared(child, 0, before)
    return divergence, nats - parent.nats


class _Stream:
    """The residual stream of texts (B, T) before one layer after the other, (B, T, M)."""

    @torch.no_grad()
    def __init__(self, model: Transformer, texts: Tensor, layer: int) -> None:
        self.model = model
        self.layer = layer
        device = model.token_embedding.weight.device
        self.hidden = torch.cat(
            [model.run_layers(model.embed(some), 0, layer) for some in batched(texts.to(device))]
        )
        self._after: Tensor | None = None

    @property
    def around(self) -> tuple[Tensor, Tensor]:
        """The stream before and after the layer, (B, T, M) twice."""
        if self._after is None:
            self._after = _through(self.model, self.hidden, self.layer, self.layer + 1)
        return self.hidden, self._after

    def advance(self) -> None:
        """Go on to the next layer."""
        self.hidden = self.around[1]
        self._after = None
        self.layer += 1


class _Parent:
    """What the whole model says of texts (B, T): its last states, and its loss in nats a token."""

    @torch.no_grad()
    def __init__(self, model: Transformer, texts: Tensor) -> None:
        self.model = model
        self.targets = texts[:, 1:]
        states, nats = [], 0.0
        for some in batched(texts):
            states.append(model.run_layers(model.embed(some[:, :-1])))  # (b, T - 1, M)
            logits = model.head(states[-1]).float().flatten(0, 1)
            nats += float(cross_entropy(logits, some[:, 1:].flatten(), reduction="sum"))
        self.states = torch.cat(states)
        self.nats = nats / self.targets.numel()

    @torch.no_grad()
    def compared(self, child: Transformer, layer: int, below: Tensor) -> tuple[float, float]:
        """Return the divergence of `child` from the parent, and its loss, both in nats a token.

        They share all layers before `layer`, up to which the stream is `below` (B, T - 1, M).
        """
        divergence, nats = 0.0, 0.0
        parts = (batched(each) for each in (below, self.states, self.targets))
        for hidden, states, aims in zip(*parts, strict=True):
            said = child.head(child.run_layers(hidden, layer)).float().log_softmax(dim=-1)
            theirs = self.model.head(states).float().log_softmax(dim=-1)  # (b, T - 1, V)
            divergence += float((theirs.exp() * (theirs - said)).sum().double())
            nats -= float(said.gather(-1, aims.unsqueeze(-1)).sum().double())
        return divergence / self.targets.numel(), nats / self.targets.numel()


@torch.no_grad()
def _through(model: Transformer, hidden: Tensor, start: int, stop: int) -> Tensor:
    return torch.cat([model.run_layers(some, start, stop) for some in batched(hidden)])
