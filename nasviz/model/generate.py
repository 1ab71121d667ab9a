"""Text from a model under a policy, one token at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nasviz.errors import InputError, RunError
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy


@dataclass(frozen=True)
class Generation:
    """What came of a prompt: the new `tokens`, and where the context was too short.

    `prompt_cut` tokens at the left of the prompt did not fit and were not read. `rereads` counts
    how often the context filled up on the way and its latest half was read anew. `depths` says
    after how many layers each new token was decided; those decided by reading a prompt took all.
    """

    tokens: tuple[int, ...]
    prompt_cut: int = 0
    rereads: int = 0
    depths: tuple[int, ...] = ()

    @property
    def average_layers(self) -> float:
        """Layers that a new token was decided after, on average; 0 where there is none."""
        return sum(self.depths) / len(self.depths) if self.depths else 0.0


@torch.inference_mode()
def generate(
    model: Transformer,
    tokens: Sequence[int],
    n_tokens: int,
    *,
    policy: InferencePolicy | None = None,
    temperature: float = 0.0,
    top_k: int | None = None,
    seed: int = 0,
    on_token: Callable[[int], object] | None = None,
    cached: bool = True,
) -> Generation:
    """Return `n_tokens` tokens that follow `tokens`; `on_token` hears of each as it comes.

    The model runs under `policy`; None is the static model.

    Temperature 0 takes the likeliest token; otherwise tokens are drawn from `seed` alone, with
    logits divided by `temperature`, among the `top_k` likeliest (None: all).

    A prompt longer than the context is cut from the left. When the context is full, the model
    goes on from its latest half, read anew: positions beyond the context are never invented, and
    every token is predicted from at least half a context. `cached=False` computes what the static
    model does without a cache, for comparison.

    Raises `InputError` for an empty prompt, tokens outside the vocabulary, a policy that doesn't
    fit and other wrong settings, and `RunError` where the model's logits are not numbers.
    """
    architecture = model.architecture
    _check(tokens, architecture.vocab_size, n_tokens, temperature, top_k)
    context = architecture.context_length
    if not cached and policy:
        raise InputError("without a cache only the static model runs; leave out the policy")
    device = model.token_embedding.weight.device
    generator = torch.Generator().manual_seed(seed)
    read = list(tokens[-context:])
    room = min(context, len(read) + n_tokens)
    runner = Runner(model, policy or InferencePolicy())
    reading = runner.new_reading(room)
    made: list[int] = []
    depths: list[int] = []
    rereads, fresh = 0, read  # `fresh`: the tokens that were not read yet
    was_training = model.training
    model.eval()
    try:
        while len(made) < n_tokens:
            if len(read) > context:
                read = read[-max(1, context // 2) :]
                rereads += 1
                fresh = read
                reading.clear()
            if not cached:
                logits = model.prefill(torch.tensor([read], device=device))[0]  # (V,)
                depths.append(architecture.n_layers)
            elif made and fresh is not read:
                logits = runner.step(torch.tensor(fresh, device=device), reading)[0]
                depths.append(int(reading.depths[-1]))
            else:
                logits = runner.read(torch.tensor([fresh], device=device), reading)[0]
                depths.append(architecture.n_layers)
            token = choose(logits, temperature, top_k, generator)
            made.append(token)
            read.append(token)
            fresh = [token]
            if on_token is not None:
                on_token(token)
    finally:
        model.train(was_training)
    cut = len(tokens) - min(len(tokens), context)
    return Generation(tuple(made), cut, rereads, tuple(depths))


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
