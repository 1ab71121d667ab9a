"""`Writing`: a text in the making, a prompt and what a model under a policy writes after it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nasviz.errors import InputError
from nasviz.model.choice import Chooser
from nasviz.model.dynamic.runner import Runner
from nasviz.model.dynamic.speculation import Drafts, Speculator
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.self_speculation import SelfSpeculation


class Writing:
    """Writes `n_tokens` tokens after `prompt`, act by act: several texts can be written in turn.

    An act reads the prompt, steps by one token, or guesses and checks a round of them. `tokens`
    are the new ones so far, `depths` after how many layers each was decided; those decided by
    reading a prompt took all. `prompt_cut`, `rereads`: see `nasviz.model.generate.Generation`.

    The first of the new tokens can be `dictated`: the model decides how deep it goes for each, as
    if it had written them itself, but not what they are, and nothing is drawn. So a text that was
    written before can be taken up at any token, under this policy or another.

    The model must be in evaluation mode. `cached=False` computes what the static model does without
    a cache, for comparison.

    Raises `InputError` for an empty prompt, tokens outside the vocabulary, a policy that doesn't
    fit and other wrong settings, and `advance` raises `RunError` where logits are not numbers.
    """

    def __init__(
        self,
        model: Transformer,
        prompt: Sequence[int],
        n_tokens: int,
        chooser: Chooser,
        *,
        policy: InferencePolicy | None = None,
        dictated: Sequence[int] = (),
        cached: bool = True,
    ) -> None:
        _check(prompt, model.architecture.vocab_size, "the prompt")
        _check(dictated, model.architecture.vocab_size, "the dictated text")
        if not prompt:
            raise InputError("an empty prompt gives the model nothing to go on; give a few letters")
        if n_tokens < 0:
            raise InputError(f"n_tokens={n_tokens} is negative; 0 or more")
        if not cached and policy:
            raise InputError("without a cache only the static model runs; leave out the policy")
        self.n_tokens, self.chooser = n_tokens, chooser
        self.tokens: list[int] = []
        self.depths: list[int] = []
        self.rereads = 0
        self._context = model.architecture.context_length
        self._dictated = tuple(dictated)
        self._read = list(prompt[-self._context :])  # the text as far as the model has it in sight
        self.prompt_cut = len(prompt) - len(self._read)
        room = min(self._context, len(self._read) + n_tokens)
        with torch.inference_mode():
            self._runner = Runner(model, policy or InferencePolicy())
            self._reading = self._runner.new_reading(room) if cached else None
        self._fresh = True  # nothing of what is in sight is in the cache
        option = self._runner.policy.get(SelfSpeculation)
        guesses = option is not None and option.draft_length > 0
        self._speculator = Speculator(self._runner.model, option) if option and guesses else None

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self._runner.model.token_embedding.weight.device

    @property
    def done(self) -> bool:
        """Whether all tokens are written."""
        return len(self.tokens) >= self.n_tokens

    @property
    def n_layers(self) -> int:
        """Layers of the model that computes; a policy may have left some out."""
        return self._runner.model.architecture.n_layers

    @property
    def drafts(self) -> Drafts | None:
        """How guessing went; None where nothing is guessed."""
        return self._speculator.drafts if self._speculator else None

    @torch.inference_mode()
    def advance(self) -> list[int]:
        """Return the tokens of the next act: at least one, unless all are written."""
        if self.done:
            return []
        if len(self._read) > self._context:
            self._read = self._read[-max(1, self._context // 2) :]
            self.rereads, self._fresh = self.rereads + 1, True
        if self._fresh or self._reading is None:
            found, depth = self._begin()
        else:
            found, depth = self._go_on()
        self._fresh = False
        self.tokens += found
        self.depths += [depth] * len(found)
        self._read += found
        return found

    def _begin(self) -> tuple[list[int], int]:
        """Return the token after the text in sight, which is read whole, and its depth."""
        runner = self._runner
        tokens = self._tensor([self._read])
        if self._reading is None:
            logits = runner.model.prefill(tokens)
        else:
            self._reading.clear()
            logits = runner.read(tokens, self._reading)
        return [self._next(logits[0])], self.n_layers

    def _go_on(self) -> tuple[list[int], int]:
        """Return the next tokens, one or a round's, and their depth."""
        assert self._reading is not None
        last = self._read[-1]
        if self._speculator is not None and not self._is_dictated:
            # A round may not leave the context, nor write more than was asked for.
            most = min(self.n_tokens - len(self.tokens), self._context - len(self._read) + 1)
            found = self._speculator.round(last, self._reading, most - 1, self.chooser)
            return found, self.n_layers
        logits = self._runner.step(self._tensor([last]), self._reading)
        return [self._next(logits[0])], int(self._reading.depths[-1])

    @property
    def _is_dictated(self) -> bool:
        return len(self.tokens) < len(self._dictated)

    def _next(self, logits: torch.Tensor) -> int:
        if self._is_dictated:
            return self._dictated[len(self.tokens)]
        return self.chooser.choose(logits)

    def _tensor(self, tokens: list[int] | list[list[int]]) -> torch.Tensor:
        return torch.tensor(tokens, device=self.device)


def _check(tokens: Sequence[int], vocab_size: int, where: str) -> None:
    for place, token in enumerate(tokens):
        if not 0 <= token < vocab_size:
            raise InputError(
                f"token {token} at place {place} of {where} is outside vocab_size={vocab_size}; "
                "use the tokenizer that the model was trained with"
            )
