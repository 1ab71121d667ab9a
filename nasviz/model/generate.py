"""Text from a model under a policy, one token at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nasviz.model.choice import Chooser
from nasviz.model.dynamic.speculation import Drafts
from nasviz.model.transformer import Transformer
from nasviz.model.writing import Writing
from nasviz.space.inference import InferencePolicy


@dataclass(frozen=True)
class Generation:
    """What came of a prompt: the new `tokens`, and where the context was too short.

    `prompt_cut` tokens at the left of the prompt did not fit and were not read. `rereads` counts
    how often the context filled up on the way and its latest half was read anew. `depths` says
    after how many layers each new token was decided; those decided by reading a prompt took all.
    `drafts` says how guessing went, where the policy guesses.
    """

    tokens: tuple[int, ...]
    prompt_cut: int = 0
    rereads: int = 0
    depths: tuple[int, ...] = ()
    drafts: Drafts | None = None

    @property
    def average_layers(self) -> float:
        """Layers that a new token was decided after, on average; 0 where there is none."""
        return sum(self.depths) / len(self.depths) if self.depths else 0.0


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
    chooser = Chooser(temperature, top_k, seed)
    writing = Writing(model, tokens, n_tokens, chooser, policy=policy, cached=cached)
    was_training = model.training
    model.eval()
    try:
        while not writing.done:
            for token in writing.advance():
                if on_token is not None:
                    on_token(token)
    finally:
        model.train(was_training)
    return Generation(
        tuple(writing.tokens),
        writing.prompt_cut,
        writing.rereads,
        tuple(writing.depths),
        writing.drafts,
    )
