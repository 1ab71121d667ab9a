"""Text from a model, one token at a time, with its keys and values cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nasviz.errors import InputError, RunError
from nasviz.model.cache import KVCache
from nasviz.model.transformer import Transformer


@dataclass(frozen=True)
class Generation:
    """What came of a prompt: the new `tokens`, and where the context was too short.

    `prompt_cut` tokens at the left of the prompt did not fit and were not read. `rereads` counts
    how often the context filled up on the way and its latest half was read anew.
    """

    tokens: tuple[int, ...]
    prompt_cut: int = 0
    rereads: int = 0


@torch.inference_mode()
def generate(
    model: Transformer,
    tokens: Sequence[int],
    n_tokens: int,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    seed: int = 0,
    on_token: Callable[[int], object] | None = None,
    cached: bool = True,
) -> Generation:
    """Return `n_tokens` tokens that follow `tokens`; `on_token` hears of each as it comes.

    Temperature 0 takes the likeliest token; otherwise tokens are drawn from `seed` alone, with
    logits divided by `temperature`, among the `top_k` likeliest (None: all).

    A prompt longer than the context is cut from the left. When the context is full, the model
    goes on from its latest half, read anew: positions beyond the context are never invented, and
    every token is predicted from at least half a context. `cached=False` computes the same without
    a cache, for comparison.

    Raises `InputError` for an empty prompt, tokens outside the vocabulary and wrong settings, and
    `RunError` where the model's logits are not numbers.
    """
    architecture = model.architecture
    _check(tokens, architecture.vocab_size, n_tokens, temperature, top_k)
    context = architecture.context_length
    device = model.token_embedding.weight.device
    generator = torch.Generator().manual_seed(seed)
    read = list(tokens[-context:])
    room = min(context, len(read) + n_tokens)
    cache = _new_cache(model, room) if cached else None
    made: list[int] = []
    rereads, fresh = 0, read  # `fresh`: the tokens that the cache does not hold yet
    was_training = model.training
    model.eval()
    try:
        while len(made) < n_tokens:
            if len(read) > context:
                read = read[-max(1, context // 2) :]
                rereads += 1
                fresh = read
                if cache is not None:
                    cache.clear()
            shown = fresh if cache is not None else read
            logits = model.prefill(torch.tensor([shown], device=device), cache)[0]  # (V,)
            token = choose(logits, temperature, top_k, generator)
            made.append(token)
            read.append(token)
            fresh = [token]
            if on_token is not None:
                on_token(token)
    finally:
        model.train(was_training)
    return Generation(tuple(made), len(tokens) - min(len(tokens), context), rereads)


def choose(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> int:
    """Return the next token for `logits` (V,): the likeliest at temperature 0, else drawn."""
    logits = logits.float().cpu()  # drawn on the CPU: the same tokens on every device
    if not bool(torch.isfinite(logits).all()):
        raise RunError("the model's logits are not numbers: its training diverged")
    if temperature == 0:
        return int(logits.argmax())
    scaled = logits / temperature
    if top_k is not None and top_k < len(scaled):
        likeliest, tokens = scaled.topk(top_k)  # (top_k,) twice
        drawn = torch.multinomial(likeliest.softmax(dim=-1), 1, generator=generator)
        return int(tokens[drawn])
    return int(torch.multinomial(scaled.softmax(dim=-1), 1, generator=generator))


def _new_cache(model: Transformer, room: int) -> KVCache:
    weight = model.token_embedding.weight
    return KVCache(model.architecture, room, dtype=weight.dtype, device=weight.device)


def _check(
    tokens: Sequence[int], vocab_size: int, n_tokens: int, temperature: float, top_k: int | None
) -> None:
    if not tokens:
        raise InputError("an empty prompt gives the model nothing to go on; give a few letters")
    for place, token in enumerate(tokens):
        if not 0 <= token < vocab_size:
            raise InputError(
                f"token {token} at place {place} of the prompt is outside vocab_size={vocab_size}; "
                "use the tokenizer that the model was trained with"
            )
    if n_tokens < 0:
        raise InputError(f"n_tokens={n_tokens} is negative; 0 or more")
    if not 0 <= temperature < float("inf"):
        raise InputError(f"temperature={temperature!r} is not 0 or a positive number")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k={top_k} leaves no token to choose; 1 or more")
