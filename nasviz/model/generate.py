"""Text from a model under a policy, one token at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from nasviz.errors import InputError
from nasviz.model.choice import Chooser
from nasviz.model.dynamic.runner import Runner
from nasviz.model.dynamic.speculation import Drafts, Speculator
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.self_speculation import SelfSpeculation


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
    _check(tokens, architecture.vocab_size, n_tokens)
    chooser = Chooser(temperature, top_k, seed)
    context = architecture.context_length
    if not cached and policy:
        raise InputError("without a cache only the static model runs; leave out the policy")
    read = list(tokens[-context:])
    room = min(context, len(read) + n_tokens)
    writer = _Writer(Runner(model, policy or InferencePolicy()), chooser, room, cached)
    made: list[int] = []
    depths: list[int] = []
    rereads, fresh = 0, True
    was_training = model.training
    model.eval()
    try:
        while len(made) < n_tokens:
            if len(read) > context:
                read = read[-max(1, context // 2) :]
                rereads, fresh = rereads + 1, True
            most = min(n_tokens - len(made), context - len(read) + 1)
            found = writer.begin(read) if fresh or not cached else writer.go_on(read[-1], most)
            fresh = False
            for token, depth in found:
                made.append(token)
                depths.append(depth)
                read.append(token)
                if on_token is not None:
                    on_token(token)
    finally:
        model.train(was_training)
    cut = len(tokens) - min(len(tokens), context)
    return Generation(tuple(made), cut, rereads, tuple(depths), writer.drafts)


class _Writer:
    """Writes a text on: by one token, or by what a round of guesses gives."""

    def __init__(self, runner: Runner, chooser: Chooser, room: int, cached: bool) -> None:
        self.runner, self.chooser = runner, chooser
        self.n_layers = runner.model.architecture.n_layers
        self.device = runner.model.token_embedding.weight.device
        self.reading = runner.new_reading(room) if cached else None
        option = runner.policy.get(SelfSpeculation)
        guesses = option is not None and option.draft_length > 0
        self.speculator = Speculator(runner.model, option) if option and guesses else None

    @property
    def drafts(self) -> Drafts | None:
        """How guessing went; None where nothing is guessed."""
        return self.speculator.drafts if self.speculator else None

    def begin(self, read: list[int]) -> list[tuple[int, int]]:
        """Return the token after a text that is read whole, and after how many layers."""
        tokens = torch.tensor([read], device=self.device)
        if self.reading is None:
            logits = self.runner.model.prefill(tokens)
        else:
            self.reading.clear()
            logits = self.runner.read(tokens, self.reading)
        return [(self.chooser.choose(logits[0]), self.n_layers)]

    def go_on(self, token: int, most: int) -> list[tuple[int, int]]:
        """Return up to `most` tokens after `token`, and after how many layers each."""
        assert self.reading is not None
        if self.speculator is not None:
            found = self.speculator.round(token, self.reading, most - 1, self.chooser)
            return [(each, self.n_layers) for each in found]
        logits = self.runner.step(torch.tensor([token], device=self.device), self.reading)
        return [(self.chooser.choose(logits[0]), int(self.reading.depths[-1]))]


def _check(tokens: Sequence[int], vocab_size: int, n_tokens: int) -> None:
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
