"""Early exit in generation: which layers a token goes through, and what it leaves behind."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.additions import exits_of
from nasviz.model.dynamic.confidence import Watch
from nasviz.model.dynamic.propagation import Propagation
from nasviz.model.dynamic.reading import Reading
from nasviz.model.transformer import Transformer
from nasviz.space.options.early_exit import EarlyExit


class EarlyExitWalk:
    """Generated tokens leave at the first exit that is sure enough.

    What later tokens attend to in the layers that a token skipped:

    propagate: keys and values of the state it left with, computed at once.
    recompute: the true ones. A token that left waits; the first later token that goes further
    takes it along, in one pass for both, so that the weights are read once.
    """

    def __init__(self, model: Transformer, option: EarlyExit) -> None:
        self.option = option
        self.exits = exits_of(model, option)
        self.n_layers = model.architecture.n_layers
        self.context_length = model.architecture.context_length
        # In float32, in which confidences are; at 1 nobody leaves, however sure.
        levels = [level if level < 1 else math.inf for level in option.thresholds_of(self.n_layers)]
        self._levels = torch.tensor(levels, dtype=torch.float32)
        self._plain_levels: list[float] = self._levels.tolist()
        # Made when a token first leaves: it copies the key and value matrices.
        self._propagation: Propagation | None = None
        self._stacks = Propagation.possible(model)

    @property
    def one_by_one(self) -> bool:
        """Whether a batch is read row by row: each has its own tokens that wait."""
        return self.option.skipped_layers == "recompute"

    def settle(self, model: Transformer, tokens: Tensor, reading: Reading) -> None:
        """Take every token that waits through the rest of the layers."""
        for depth, above in pairwise([*self.exits.layers, self.n_layers]):
            waiting = reading.pending.pop(depth, None)
            if waiting is not None:
                further = model.run_layers(waiting, depth, above, reading.cache)
                if above < self.n_layers:
                    _let_wait(reading, above, further)

    def step(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one more generated token: (B,) → (B, V)."""
        if len(tokens) == 1:
            return self._step_alone(model, tokens, reading)
        return self._step_together(model, tokens, reading)

    def logits(
        self, model: Transformer, tokens: Tensor, cache: KVCache | None
    ) -> tuple[Tensor, Tensor] | None:
        """Return logits (B, T, V) and depths (B, T), as if every token had been generated.

        Whether a token leaves at an exit follows from the layers below it, so that layer by layer
        everything is known of all tokens at once: those that left stay as they were, and so do
        the keys and values that are made of them. None where such a token would be seen by a cache
        that learns from queries: it asks for nothing any more.
        """
        propagates = self.option.skipped_layers == "propagate"
        if propagates and cache is not None and cache.reads_queries:
            return None
        hidden = model.embed(tokens)
        watch = Watch(self.exits, self.option.criterion, hidden)
        going = torch.ones_like(tokens, dtype=torch.bool)
        depths = torch.full_like(tokens, self.n_layers)
        logits = hidden.new_empty((*tokens.shape, model.architecture.vocab_size))
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        done = 0
        for place, layer in enumerate(self.exits.layers):
            goes = going if propagates else torch.ones_like(going)
            hidden = _further(model, hidden, goes, done, layer, cache)
            done = layer
            confidence, said = watch.look(hidden)
            leaves = going & (confidence > self._level(place, positions))
            said = self.exits.logits(place, hidden) if said is None else said
            logits = torch.where(leaves.unsqueeze(-1), said, logits)
            depths = torch.where(leaves, layer, depths)
            going = going & ~leaves
        goes = going if propagates else torch.ones_like(going)
        whole = model.head(_further(model, hidden, goes, done, self.n_layers, cache))
        return torch.where(going.unsqueeze(-1), whole, logits), depths

    def _step_together(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        cache = reading.cache
        position = torch.tensor(cache.length, device=tokens.device)
        hidden = model.embed(tokens.unsqueeze(1), cache.length)  # (B, 1, M)
        watch = Watch(self.exits, self.option.criterion, hidden[:, 0])
        going = torch.ones_like(tokens, dtype=torch.bool)
        depths = torch.full_like(tokens, self.n_layers)
        answers: list[tuple[Tensor, Tensor]] = []
        done = 0
        for place, layer in enumerate(self.exits.layers):
            hidden = _further(model, hidden, going.unsqueeze(1), done, layer, cache)
            done = layer
            confidence, said = watch.look(hidden[:, 0])
            leaves = going & (confidence > self._level(place, position))
            if bool(leaves.any()):
                said = self.exits.logits(place, hidden[:, 0]) if said is None else said
                answers.append((leaves, said))
                depths[leaves] = layer
                going = going & ~leaves
                if not bool(going.any()):
                    self._keep(model, hidden, cache, done)
                    break
        else:
            hidden = _further(model, hidden, going.unsqueeze(1), done, self.n_layers, cache)
            answers.append((going, model.head(hidden[:, 0])))
        reading.depths.append(depths)
        logits = answers[0][1]
        for rows, said in answers[1:]:
            logits = torch.where(rows.unsqueeze(-1), said, logits)
        return logits

    def _keep(self, model: Transformer, hidden: Tensor, cache: KVCache, start: int) -> None:
        """Keep the keys and values of a state that leaves, in layers `start` and above."""
        if not self._stacks:
            model.keep_only(hidden, cache, start)
            return
        if self._propagation is None:
            self._propagation = Propagation(model, self.exits.layers[0])
        self._propagation.keep(hidden, cache, start)

    def _step_alone(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Step one sequence, (1,) → (1, V): decisions are plain numbers, which costs least."""
        position = reading.cache.length
        hidden = model.embed(tokens.unsqueeze(1), position)  # (1, n, M): this token is the last
        watch = Watch(self.exits, self.option.criterion, hidden[:, -1])
        done = 0
        for place, layer in enumerate(self.exits.layers):
            hidden = self._taking_along(model, hidden, done, layer, reading)
            done = layer
            confidence, said = watch.look(hidden[:, -1])
            if confidence.item() > self._level_at(place, position):
                reading.depths.append(torch.full_like(tokens, layer))
                if self.option.skipped_layers == "propagate":
                    self._keep(model, hidden, reading.cache, done)
                else:
                    _let_wait(reading, layer, hidden)
                return self.exits.logits(place, hidden[:, -1]) if said is None else said
        reading.depths.append(torch.full_like(tokens, self.n_layers))
        hidden = self._taking_along(model, hidden, done, self.n_layers, reading)
        logits: Tensor = model.head(hidden[:, -1])
        return logits

    def _taking_along(
        self, model: Transformer, hidden: Tensor, start: int, stop: int, reading: Reading
    ) -> Tensor:
        """Return the stream after layers `start` to `stop`, with the tokens that waited there."""
        waiting = reading.pending.pop(start, None)
        if waiting is not None:
            hidden = torch.cat((waiting, hidden), dim=1)
        return model.run_layers(hidden, start, stop, reading.cache)

    def _level_at(self, place: int, position: int) -> float:
        """Return the threshold of an exit at one position."""
        if not self.option.decay:
            return self._plain_levels[place]
        return float(self._level(place, torch.tensor(position)))

    def _level(self, place: int, position: Tensor) -> Tensor:
        """Return the threshold of an exit at some positions, in float32 (`EarlyExit`'s decay)."""
        level = self._levels[place]
        if not self.option.decay or math.isinf(float(level)):
            return level.to(position.device)
        fallen = torch.exp(-self.option.decay * position.double() / self.context_length)
        return (0.9 * level + 0.1 * fallen).float()


def _further(
    model: Transformer,
    hidden: Tensor,
    going: Tensor,
    start: int,
    stop: int,
    cache: KVCache | None,
) -> Tensor:
    """Return the residual stream, (B, T, M), after further layers for the tokens still going.

    A layer runs for all of them while one needs it, `going` (B, T); the others keep their state,
    from which their keys and values come.
    """
    if bool(going.all()):
        return model.run_layers(hidden, start, stop, cache)
    for layer in range(start, stop):
        further = model.run_layers(hidden, layer, layer + 1, cache)
        hidden = torch.where(going.unsqueeze(-1), further, hidden)
    return hidden


def _let_wait(reading: Reading, depth: int, hidden: Tensor) -> None:
    """Keep tokens that left after `depth` layers, behind those that wait there already."""
    before = reading.pending.get(depth)
    reading.pending[depth] = hidden if before is None else torch.cat((before, hidden), dim=1)
