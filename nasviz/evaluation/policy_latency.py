"""Measured time per token of a trained model under a policy, beside its own static time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from nasviz.errors import InputError
from nasviz.evaluation.scoring import evaluating
from nasviz.evaluation.stopwatch import Stopwatch
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy

ROUNDS = 5


@dataclass(frozen=True)
class PolicyLatency:
    """Seconds of a text's steps under a policy and under none, measured in turn.

    token_s, static_token_s: from one token to the next, of the whole batch, the mean over a text's
    steps of each step's fastest round but one. prompt_s, static_prompt_s: reading the prompt, the
    median of the rounds. average_layers: layers that a step went through; n_steps: how many.
    """

    token_s: float
    static_token_s: float
    prompt_s: float
    static_prompt_s: float
    average_layers: float
    n_steps: int
    prompt_tokens: int
    batch: int

    @property
    def saved_share(self) -> float:
        """The part of the static model's time a token that the policy saves; below 0 it costs."""
        return 1 - self.token_s / self.static_token_s

    def to_json(self) -> dict[str, Any]:
        """Return every field by name, and the share saved."""
        return {**asdict(self), "saved_share": self.saved_share}


def measure_policy(
    model: Transformer,
    policy: InferencePolicy,
    texts: Sequence[Sequence[int]],
    prompt_tokens: int,
    *,
    rounds: int = ROUNDS,
    report: Callable[[float], object] = lambda share: None,
) -> PolicyLatency:
    """Return how long `model` takes for the tokens of `texts`, a batch of equally long ones.

    The first `prompt_tokens` are read, the others are stepped to as if they had been generated, so
    that decisions are those of real text. Static and dynamic rounds alternate, so that a slow
    moment of the machine touches both. Raises `InputError` for texts that leave nothing to step to.
    """
    batch = torch.tensor(texts, device=model.token_embedding.weight.device)  # (B, T)
    if batch.ndim != 2 or not 0 < prompt_tokens < batch.shape[1]:
        raise InputError(
            f"prompt_tokens={prompt_tokens} of texts of {batch.shape[-1]} tokens; leave some after "
            "the prompt"
        )
    device = batch.device.type
    stopwatch = Stopwatch(device, torch.get_num_threads())
    with torch.inference_mode(), evaluating(model):
        static = _Timed(Runner(model, InferencePolicy()), stopwatch, batch, prompt_tokens)
        dynamic = _Timed(Runner(model, policy), stopwatch, batch, prompt_tokens)
        for done in range(rounds):
            for timed in (static, dynamic):
                timed.once()
            report((done + 1) / rounds)
    return PolicyLatency(
        token_s=dynamic.token_s,
        static_token_s=static.token_s,
        prompt_s=statistics.median(dynamic.prompts),
        static_prompt_s=statistics.median(static.prompts),
        average_layers=dynamic.average_layers,
        n_steps=batch.shape[1] - prompt_tokens,
        prompt_tokens=prompt_tokens,
        batch=len(batch),
    )


class _Timed:
    """One way of running a model, and the readings of its rounds."""

    def __init__(
        self, runner: Runner, stopwatch: Stopwatch, texts: Tensor, prompt_tokens: int
    ) -> None:
        self.runner = runner
        self.stopwatch = stopwatch
        self.texts = texts
        self.prompt_tokens = prompt_tokens
        self.reading = runner.new_reading(texts.shape[1], batch=len(texts))
        self.prompts: list[float] = []
        self.steps: list[list[float]] = []
        self._pass()  # warms caches, tables and the allocator up

    def once(self) -> None:
        """Read and step once more, and keep the readings."""
        prompt, steps = self._pass()
        self.prompts.append(prompt)
        self.steps.append(steps)

    def _pass(self) -> tuple[float, list[float]]:
        clock, wait = self.stopwatch.now, self.stopwatch.wait
        self.reading.clear()
        self.reading.depths.clear()
        wait()
        start = clock()
        self.runner.read(self.texts[:, : self.prompt_tokens], self.reading).argmax(dim=-1)
        wait()
        prompt = clock() - start
        steps = []
        for column in self.texts[:, self.prompt_tokens :].unbind(dim=1):
            start = clock()
            self.runner.step(column, self.reading).argmax(dim=-1)
            wait()
            steps.append(clock() - start)
        return prompt, steps

    @property
    def token_s(self) -> float:
        """The mean step, each at its fastest round but one."""
        by_step = zip(*self.steps, strict=True)
        return statistics.fmean(sorted(each)[min(1, len(each) - 1)] for each in by_step)

    @property
    def average_layers(self) -> float:
        """Layers that a step of a sequence went through."""
        return float(torch.stack(self.reading.depths).float().mean())
