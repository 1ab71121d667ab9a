"""Measured speed of free generation under a policy, beside the static model's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from nasviz.model.generate import Generation, generate
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy

ROUNDS = 3


@dataclass(frozen=True)
class GenerationSpeed:
    """Seconds between two tokens of greedy texts, the median over prompts of each one's fastest.

    tokens_per_round and acceptance are of a policy that guesses, else None: tokens that a round of
    guesses gave, and the share of guesses that stayed. same_tokens: the share of tokens, up to the
    first that differs, that the static model wrote as well.
    """

    token_s: float
    static_token_s: float
    average_layers: float
    same_tokens: float
    tokens_per_round: float | None
    acceptance: float | None
    n_prompts: int
    n_tokens: int

    @property
    def saved_share(self) -> float:
        """The part of the static model's time a token that the policy saves; below 0 it costs."""
        return 1 - self.token_s / self.static_token_s

    def to_json(self) -> dict[str, Any]:
        """Return every field by name, and the share saved."""
        return {**asdict(self), "saved_share": self.saved_share}


def measure_generation(
    model: Transformer,
    policy: InferencePolicy,
    prompts: Sequence[Sequence[int]],
    n_tokens: int,
    *,
    rounds: int = ROUNDS,
    report: Callable[[float], object] = lambda share: None,
) -> GenerationSpeed:
    """Return how fast `model` writes `n_tokens` tokens after each prompt, and without the policy.

    Reading the prompt is not counted: the clock starts with the first token. Static and dynamic
    texts alternate, so that a slow moment of the machine touches both.
    """
    static_s: list[float] = []
    dynamic_s: list[float] = []
    written: list[Generation] = []
    same = []
    for number, prompt in enumerate(prompts):
        static = [_timed(model, InferencePolicy(), prompt, n_tokens)]
        dynamic = [_timed(model, policy, prompt, n_tokens)]
        for _ in range(rounds - 1):
            static.append(_timed(model, InferencePolicy(), prompt, n_tokens))
            dynamic.append(_timed(model, policy, prompt, n_tokens))
        static_s.append(min(seconds for seconds, _ in static))
        dynamic_s.append(min(seconds for seconds, _ in dynamic))
        written.append(dynamic[0][1])
        same.append(_same(static[0][1].tokens, dynamic[0][1].tokens))
        report((number + 1) / len(prompts))
    drafts = [each.drafts for each in written if each.drafts is not None]
    made = sum(each.accepted + each.rounds for each in drafts)
    n_rounds, drafted = sum(each.rounds for each in drafts), sum(each.drafted for each in drafts)
    return GenerationSpeed(
        token_s=statistics.median(dynamic_s),
        static_token_s=statistics.median(static_s),
        average_layers=statistics.fmean(each.average_layers for each in written),
        same_tokens=statistics.fmean(same),
        tokens_per_round=made / n_rounds if n_rounds else None,
        acceptance=sum(each.accepted for each in drafts) / drafted if drafted else None,
        n_prompts=len(prompts),
        n_tokens=n_tokens,
    )


def _timed(
    model: Transformer, policy: InferencePolicy, prompt: Sequence[int], n_tokens: int
) -> tuple[float, Generation]:
    """Return seconds a token from the first to the last, and the text."""
    # The thread's own time where one thread computes: other processes don't count.
    alone = model.token_embedding.weight.is_cpu and torch.get_num_threads() == 1
    clock = time.thread_time if alone else time.perf_counter
    moments: list[float] = []
    written = generate(
        model, prompt, n_tokens, policy=policy, on_token=lambda _: moments.append(clock())
    )
    return (moments[-1] - moments[0]) / max(1, n_tokens - 1), written


def _same(one: Sequence[int], other: Sequence[int]) -> float:
    equal = 0
    for a, b in zip(one, other, strict=True):
        if a != b:
            break
        equal += 1
    return equal / len(one)
