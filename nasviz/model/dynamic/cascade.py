"""A cascade in generation: who answers a token, and what the whole model catches up on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nasviz.errors import InputError
from nasviz.model.cache import KVCache
from nasviz.model.dynamic.confidence import from_logits
from nasviz.model.dynamic.reading import Reading
from nasviz.model.transformer import Transformer
from nasviz.space.options.cascade import Cascade


def small_model(model: Transformer, option: Cascade) -> Transformer:
    """Return a new small model beside `model`, to be trained with it."""
    return Transformer(option.small(model.architecture))


class CascadeWalk:
    """The small model answers what it is sure of; the whole one reads on when it is asked.

    A token's depth is the whole model's layers where that answered, else 0.
    """

    # Each sequence has its own tokens that the whole model has not read.
    one_by_one = True

    def __init__(self, model: Transformer, option: Cascade) -> None:
        self.option = option
        self.small = _learned(model.additions, option, model)
        # In float32, in which confidences are.
        self._level = float(torch.tensor(option.threshold, dtype=torch.float32))

    def settle(self, model: Transformer, tokens: Tensor, reading: Reading) -> None:
        """Let the whole model read what it missed, and the small one the prompt (B, T)."""
        if reading.unread:
            model.prefill(torch.cat(reading.unread, dim=1), reading.cache)
            reading.unread.clear()
        self.small.prefill(tokens, self._small_cache(reading))

    def step(self, model: Transformer, tokens: Tensor, reading: Reading) -> Tensor:
        """Return the logits after one more generated token: (1,) → (1, V)."""
        said = self.small.decode(tokens, self._small_cache(reading))
        reading.unread.append(tokens.unsqueeze(1))
        if from_logits(self.option.criterion, said).item() > self._level:
            reading.depths.append(torch.zeros_like(tokens))
            return said
        reading.depths.append(torch.full_like(tokens, model.architecture.n_layers))
        missed = torch.cat(reading.unread, dim=1)  # (1, n)
        reading.unread.clear()
        return model.prefill(missed, reading.cache)

    def logits(
        self, model: Transformer, tokens: Tensor, cache: KVCache | None
    ) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, V) and depths (B, T), as if every token had been generated.

        Who answers depends on the text alone, not on who answered before.
        """
        small = self.small(tokens)
        whole = model.head(model.run_layers(model.embed(tokens), cache=cache))
        sure = from_logits(self.option.criterion, small) > self._level  # (B, T)
        depths = torch.where(sure, 0, model.architecture.n_layers)
        return torch.where(sure.unsqueeze(-1), small, whole), depths

    def _small_cache(self, reading: Reading) -> KVCache:
        if reading.beside is None:
            weight = self.small.token_embedding.weight
            reading.beside = KVCache(
                self.small.architecture,
                reading.cache.max_tokens,
                dtype=weight.dtype,
                device=weight.device,
            )
        return reading.beside


def _learned(additions: nn.ModuleDict, option: Cascade, model: Transformer) -> Transformer:
    """Return the small model that was trained beside `model`; raises `InputError` without one."""
    found = dict(additions.items()).get(Cascade.NAME)
    if not isinstance(found, Transformer):
        raise InputError(
            "cascade needs a small model that was trained beside this one; train the candidate "
            "anew with it"
        )
    trained, asked = model.built_for.get(Cascade), option
    same = trained is not None and (trained.depth_share, trained.width_share) == (
        asked.depth_share,
        asked.width_share,
    )
    if not same:
        raise InputError(
            f"cascade.depth_share={asked.depth_share:g} and width_share={asked.width_share:g} ask "
            f"for another small model than the one that was trained ({found.architecture.title}); "
            "leave them as they were"
        )
    return found
