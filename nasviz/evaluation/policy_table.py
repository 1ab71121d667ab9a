"""Policies side by side on one trained model: what each promises, and what it really saves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.cost.dynamic.observed import NOTHING, Observed
from nasviz.cost.estimate import Cost, estimate
from nasviz.cost.workload import Workload
from nasviz.evaluation.expert_load import ExpertLoad, measure_expert_load
from nasviz.evaluation.generation_speed import measure_generation
from nasviz.evaluation.observe import observe
from nasviz.evaluation.policy_latency import measure_policy
from nasviz.evaluation.policy_score import PolicyScore
from nasviz.evaluation.prompt_score import score_after_prompt
from nasviz.model.dynamic.packed import packed_bytes
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.options.self_speculation import SelfSpeculation

N_PROMPTS = 4


@dataclass(frozen=True)
class PolicyRow:
    """One policy on one model; shares are of the static model's figure, so below 1 is a saving.

    bits_per_byte, static_bits_per_byte: of what follows prompts of half a context, on the road that
    generation takes. average_layers: layers a generated token went through.
    flops_share, time_share: of a generated token, one sequence at a time: promised by the formulas
    for the decisions that were seen, and measured. prompt_flops_share, prompt_time_share: of
    reading the prompt. cache_share, weights_share: bytes held at the end of a context, as tensors.
    """

    name: str
    policy: InferencePolicy
    bits_per_byte: float
    static_bits_per_byte: float
    average_layers: float
    flops_share: float
    time_share: float
    prompt_flops_share: float
    prompt_time_share: float
    cache_share: float
    weights_share: float

    @property
    def worse(self) -> float:
        """How much more bits per byte than the static model's, as a share; below 0 is better."""
        return self.bits_per_byte / self.static_bits_per_byte - 1

    @property
    def kept_promise(self) -> float | None:
        """The share of the promised saving a token that was measured; None where none was."""
        promised = 1 - self.flops_share
        return (1 - self.time_share) / promised if promised > 0.005 else None


def compare_policies(
    model: Transformer,
    tokenized: TokenizedCorpus,
    policies: Mapping[str, InferencePolicy],
    part: str = "test",
    *,
    max_bytes: int | None = None,
    rounds: int = 5,
    report: Callable[[float], object] = lambda share: None,
) -> list[PolicyRow]:
    """Return a row for each of `policies`, all on the same text of a part, with batch 1 timings.

    Raises `InputError` for a policy that doesn't fit the model.
    """
    context = model.architecture.context_length
    prompt = max(1, context // 2)
    tokens = tokenized.tokens(part)
    texts = _texts(tokens, context)
    static = _score(model, InferencePolicy(), tokenized, part, max_bytes)
    rows = []
    for done, (name, policy) in enumerate(policies.items(), 1):
        score = _score(model, policy, tokenized, part, max_bytes)
        load = None
        if policy.get(MixtureOfExperts) is not None:
            load = measure_expert_load(model, policy, tokenized, part)
        rows.append(_row(name, model, policy, texts, prompt, static, score, load, rounds))
        report(done / len(policies))
    return rows


def _row(
    name: str,
    model: Transformer,
    policy: InferencePolicy,
    texts: Sequence[list[int]],
    prompt: int,
    static: PolicyScore,
    score: PolicyScore,
    load: ExpertLoad | None,
    rounds: int,
) -> PolicyRow:
    candidate = Candidate(model.architecture, policy)
    latencies = [measure_policy(model, policy, [text], prompt, rounds=rounds) for text in texts]
    time_share = _mean([each.token_s for each in latencies]) / _mean(
        [each.static_token_s for each in latencies]
    )
    speed = None
    if policy.get(SelfSpeculation) is not None:
        starts = [text[:prompt] for text in texts]
        n_tokens = model.architecture.context_length - prompt
        speed = measure_generation(model, policy, starts, n_tokens, rounds=rounds)
        time_share = speed.token_s / speed.static_token_s
    expected = _priced(candidate, prompt, observe(candidate, score, speed, load))
    plain = _priced(Candidate(model.architecture), prompt, NOTHING)
    return PolicyRow(
        name=name,
        policy=policy,
        bits_per_byte=score.score.bits_per_byte,
        static_bits_per_byte=static.score.bits_per_byte,
        average_layers=score.average_layers,
        flops_share=expected.flops.decode_per_token / plain.flops.decode_per_token,
        time_share=time_share,
        prompt_flops_share=expected.flops.prefill / plain.flops.prefill,
        prompt_time_share=_mean([each.prompt_s for each in latencies])
        / _mean([each.static_prompt_s for each in latencies]),
        cache_share=_kept(model, policy, texts[0], prompt)
        / _kept(model, InferencePolicy(), texts[0], prompt),
        weights_share=packed_bytes(Runner(model, policy).model) / packed_bytes(model),
    )


def _score(
    model: Transformer,
    policy: InferencePolicy,
    tokenized: TokenizedCorpus,
    part: str,
    max_bytes: int | None,
) -> PolicyScore:
    context = model.architecture.context_length
    prompt = max(1, context // 2)
    return score_after_prompt(
        model,
        policy,
        tokenized,
        part,
        prompt_tokens=prompt,
        scored_tokens=context - prompt,
        max_bytes=max_bytes,
    )


def _texts(tokens: NDArray[np.integer], length: int) -> list[list[int]]:
    """Return pieces of a text, spread over it, a context each."""
    last = max(0, len(tokens) - length)
    starts = [last * place // max(1, N_PROMPTS - 1) for place in range(N_PROMPTS)]
    return [[int(each) for each in tokens[start : start + length]] for start in starts]


def _priced(candidate: Candidate, prompt: int, observed: Observed) -> Cost:
    left = candidate.architecture.context_length - prompt
    return estimate(
        candidate, Workload(prompt_tokens=prompt, generated_tokens=max(1, left)), observed=observed
    )


@torch.inference_mode()
def _kept(model: Transformer, policy: InferencePolicy, text: list[int], prompt: int) -> int:
    """Return the bytes of keys and values that are kept at the end of a text."""
    runner = Runner(model, policy)
    reading = runner.new_reading(len(text))
    device = model.token_embedding.weight.device
    runner.read(torch.tensor([text[:prompt]], device=device), reading)
    for token in text[prompt:]:
        runner.step(torch.tensor([token], device=device), reading)
    return reading.cache.filled_bytes


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
