"""What is measured of a trained candidate under its inference policy, beside the static model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.cost.estimate import estimate
from nasviz.evaluation.exit_trace import trace_exits
from nasviz.evaluation.expert_load import ExpertLoad
from nasviz.evaluation.generation_speed import GenerationSpeed, measure_generation
from nasviz.evaluation.observe import observe
from nasviz.evaluation.policy_latency import PolicyLatency, measure_policy
from nasviz.evaluation.policy_score import PolicyScore
from nasviz.evaluation.prompt_score import score_after_prompt
from nasviz.execution.results import TRACES, plain
from nasviz.model.transformer import Transformer
from nasviz.quality.exit_sweep import sweep
from nasviz.quality.exit_trace import ExitTrace
from nasviz.quality.exit_trace_file import save_exit_trace
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.token_pruning import TokenPruning

TRACE_BYTES = 1 << 16
# What is timed: the first part of the test text, one sequence, half of a context as the prompt.
LATENCY_ROUNDS = 3
# What is written to see how fast, and how often guesses are right.
N_PROMPTS, PROMPT_TOKENS, WRITTEN_TOKENS = 6, 32, 64


def dynamic_results(
    model: Transformer,
    candidate: Candidate,
    tokenized: TokenizedCorpus,
    directory: Path,
    dynamic: PolicyScore,
    static_bits_per_byte: float,
    load: ExpertLoad | None,
) -> dict[str, Any]:
    """Return what is stored of a candidate with a policy, as plain JSON values.

    `dynamic` is its score on the test part under the policy, `load` that of its experts, if any.
    Exit traces of the calibration and the test part go into `directory`.
    """
    speed = speed_on_text(model, candidate, tokenized)
    observed = observe(candidate, dynamic, speed, load)
    expected = estimate(candidate, observed=observed)
    static = estimate(candidate.architecture)
    found: dict[str, Any] = {
        "static_bits_per_byte": static_bits_per_byte,
        "policy_score": dynamic.to_json(),
        "observed": observed.to_json(),
        "expected_flops_per_token": plain(expected.flops.decode_per_token),
        "static_flops_per_token": plain(static.flops.decode_per_token),
        "static_time_per_output_token_s": plain(static.latency.time_per_output_token_s),
    }
    option = candidate.inference.get(EarlyExit)
    if option is not None:
        traces = {
            part: trace_exits(model, option, tokenized, part, max_bytes=TRACE_BYTES)
            for part in TRACES
        }
        for part, trace in traces.items():
            save_exit_trace(trace, directory / TRACES[part])
        found["exit_sweep"] = sweep_json(traces["test"], option)
    if candidate.inference.get(TokenPruning) is not None:
        found["after_prompts"] = after_prompts(model, candidate.inference, tokenized)
    found["generation_speed"] = speed.to_json()
    latency = measure_on_text(model, candidate, tokenized)
    found["policy_latency"] = latency.to_json()
    guesses = speed.tokens_per_round is not None
    found["measured_time_per_output_token_s"] = speed.token_s if guesses else latency.token_s
    return found


def after_prompts(
    model: Transformer, policy: InferencePolicy, tokenized: TokenizedCorpus
) -> dict[str, float]:
    """Return bits per byte of what follows prompts of half a context, under the policy and static.

    Other scores take every token for a generated one, which pruning of prompts leaves alone.
    """
    prompt = max(1, model.architecture.context_length // 2)
    scored = max(1, model.architecture.context_length - prompt)
    return {
        name: score_after_prompt(
            model,
            each,
            tokenized,
            prompt_tokens=prompt,
            scored_tokens=scored,
            max_bytes=TRACE_BYTES,
        ).score.bits_per_byte
        for name, each in (("bits_per_byte", policy), ("static", InferencePolicy()))
    }


def speed_on_text(
    model: Transformer, candidate: Candidate, tokenized: TokenizedCorpus
) -> GenerationSpeed:
    """Return how fast the model writes on, after the beginnings of pieces of the test text."""
    context = model.architecture.context_length
    tokens = tokenized.tokens("test")
    prompt = max(1, min(PROMPT_TOKENS, context // 4, len(tokens)))
    starts = range(0, len(tokens) - prompt + 1, max(1, (len(tokens) - prompt) // N_PROMPTS))
    prompts = [
        [int(token) for token in tokens[start : start + prompt]] for start in starts[:N_PROMPTS]
    ]
    n_tokens = max(2, min(WRITTEN_TOKENS, context - prompt))
    return measure_generation(model, candidate.inference, prompts, n_tokens)


def sweep_json(
    trace: ExitTrace, option: EarlyExit, thresholds: NDArray[np.float64] | None = None
) -> dict[str, Any]:
    """Return the sweep of the option's criterion over `thresholds` (default 200), plain lists."""
    curve = sweep(trace, option.criterion, thresholds, option.decay)
    return {
        "criterion": curve.criterion,
        "decay": curve.decay,
        "part": trace.part,
        "layers": list(curve.layers),
        "thresholds": curve.thresholds.tolist(),
        "bits_per_byte": curve.bits_per_byte.tolist(),
        "accuracy": curve.accuracy.tolist(),
        "average_layers": curve.average_layers.tolist(),
        "exit_shares": curve.exit_shares.tolist(),
    }


def measure_on_text(
    model: Transformer, candidate: Candidate, tokenized: TokenizedCorpus
) -> PolicyLatency:
    """Return the measured time a token on the beginning of the test text, one sequence."""
    context = model.architecture.context_length
    tokens = tokenized.tokens("test")[:context]
    text = [int(token) for token in tokens]
    prompt = max(1, len(text) // 2)
    return measure_policy(model, candidate.inference, [text], prompt, rounds=LATENCY_ROUNDS)
