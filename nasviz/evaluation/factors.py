"""Fits how much slower operations are inside a model than alone.

Measured alone, an operation finds its inputs and its code in the caches and its output's memory
already mapped. Inside a model it doesn't. A dozen models of ordinary sizes are run whole; a factor
a kind of operation brings the tables' sums onto what they took.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.dynamic.running import static
from nasviz.cost.latency import LatencyParts, latency_on
from nasviz.cost.measured import Factors, MeasuredRates
from nasviz.cost.roofline import lookups
from nasviz.cost.sizes import sizes_of
from nasviz.cost.workload import Precision, Workload
from nasviz.evaluation.latency import measure
from nasviz.evaluation.stopwatch import Stopwatch
from nasviz.space.architecture import Architecture

# Layers, width, heads, key/value heads, inner width, vocabulary: small to middling, none of them
# powers of two throughout.
SIZES = (
    (2, 112, 4, 4, 304, 512),
    (3, 80, 8, 8, 224, 2048),
    (5, 208, 2, 2, 560, 256),
    (6, 160, 5, 5, 480, 4096),
    (1, 240, 6, 6, 880, 1024),
    (8, 320, 4, 2, 1040, 4096),
    (12, 256, 8, 4, 704, 2048),
    (5, 448, 8, 4, 1200, 8192),
    (4, 640, 10, 1, 1712, 2048),
    (9, 272, 4, 2, 1008, 16384),
)
PROMPTS = (37, 200)
GENERATED = 8

# How firmly factors are held at 1, in squared relative errors: kinds that the probes can't tell
# apart stay near what was measured alone.
_PULL = 0.005
_LEAST = 0.2
# The scale on which a pass's fixed seconds are held at 0.
_PASS_S = 1e-4


def fit_factors(rates: MeasuredRates, precision: Precision, stopwatch: Stopwatch) -> MeasuredRates:
    """Return the rates with the factors that whole models show."""
    models = [
        Architecture(
            n_layers=layers, d_model=width, n_heads=heads, n_kv_heads=kv, d_ff=inner,
            vocab_size=vocabulary, context_length=256,
        )
        for layers, width, heads, kv, inner, vocabulary in SIZES
    ]  # fmt: skip
    clocks = lookups(rates, precision)
    prefill, decode, first, step = [], [], [], []
    for prompt in PROMPTS:
        workload = Workload(prompt_tokens=prompt, generated_tokens=GENERATED, precision=precision)
        found = measure(models, workload, device=stopwatch.device)
        for model, reading in zip(models, found, strict=True):
            predicted = latency_on(clocks, static(sizes_of(model)), workload)
            prefill.append(_by_kind(predicted.prefill_parts))
            decode.append(_by_kind(predicted.decode_parts))
            first.append(reading.time_to_first_token_s)
            step.append(reading.time_per_output_token_s)
    return replace(
        rates,
        prefill_factors=fitted(np.array(prefill), np.array(first)),
        decode_factors=fitted(np.array(decode), np.array(step)),
    )


def fitted(seconds: NDArray[np.float64], measured: NDArray[np.float64]) -> Factors:
    """Return the factors that bring each line of `seconds` (n, 4) about to `measured` (n,).

    Least squares of the relative errors, each factor pulled towards 1 and the fixed seconds of a
    pass towards 0 (ridge regression); none is negative.
    """
    columns = np.column_stack([seconds, np.full(len(measured), _PASS_S)])
    shares = columns / measured[:, None]  # (n, 5)
    held_at = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    pull = _PULL * len(measured)
    normal = shares.T @ shares + pull * np.eye(len(held_at))
    solved = np.linalg.solve(normal, shares.sum(axis=0) + pull * held_at)
    products, attention, streams, overhead = (max(_LEAST, float(each)) for each in solved[:4])
    return Factors(products, attention, streams, overhead, max(0.0, float(solved[4]) * _PASS_S))


def _by_kind(parts: LatencyParts) -> NDArray[np.float64]:
    """Return seconds of products, attention, streams and overhead, shape (4,).

    The head's argmax and norm count as products: they are a small part of it.
    """
    products = parts.attention_s + parts.feed_forward_s + parts.head_s
    kinds = (products, parts.scores_s, parts.elementwise_s, parts.overhead_s)
    return np.array([float(each) for each in kinds])
