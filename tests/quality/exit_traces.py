"""Exit traces whose truth is known, for the tests of what is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nasviz.quality.exit_trace import CRITERIA, ExitTrace, patience


def random_trace(n_tokens: int = 211, n_exits: int = 3, seed: int = 0, **changes: Any) -> ExitTrace:
    """Return a trace of noise with ties in every criterion, which breaks what sorts carelessly."""
    draw = np.random.default_rng(seed)
    likeliest = draw.integers(0, 5, (n_tokens, n_exits + 1))
    scores: dict[Any, Any] = {
        criterion: draw.integers(0, 11, (n_tokens, n_exits)) / 10 for criterion in CRITERIA
    }
    scores["margin"] = draw.random((n_tokens, n_exits))
    scores["patience"] = patience(likeliest[:, :-1])
    given: dict[str, Any] = {
        "layers": (*np.cumsum(draw.integers(1, 4, n_exits)).tolist(), 3 * n_exits + 2),
        "log_probability": -draw.exponential(2.0, (n_tokens, n_exits + 1)),
        "likeliest": likeliest,
        "confidence": scores,
        "target": draw.integers(0, 5, n_tokens),
        "token_bytes": draw.integers(1, 7, n_tokens),
        "position": np.arange(n_tokens) % 13,
        "window": np.arange(n_tokens) // 13,
        "part": "test",
        "corpus_sha256": "c0ffee",
        "context_length": 13,
    }
    return ExitTrace(**given | changes)


def one_exit_trace(
    n_windows: int, tokens: int, seed: int, *, hard_share: float = 1.0, part: str = "calibration"
) -> ExitTrace:
    """Return a trace of one exit that is uniformly sure, and wrong as often as it is unsure.

    An exit that is sure by c disagrees with the whole model with chance 1 - c in the hard windows,
    and never in the others: its risk at threshold λ is `true_disagreement(λ, hard_share)`. Where
    it disagrees it costs one bit a byte.
    """
    draw = np.random.default_rng(seed)
    shape = (n_windows, tokens)
    sure = draw.random(shape)
    hard = draw.random((n_windows, 1)) < hard_share
    wrong = ((draw.random(shape) < 1 - sure) & hard).ravel()
    n = wrong.size
    return ExitTrace(
        layers=(1, 2),
        log_probability=-np.log(2.0) * np.column_stack([1 + wrong, np.ones(n)]),
        likeliest=np.column_stack([wrong, np.zeros(n)]),
        confidence={"max_probability": sure.reshape(-1, 1)},
        target=np.zeros(n),
        token_bytes=np.ones(n),
        position=np.tile(np.arange(tokens), n_windows),
        window=np.repeat(np.arange(n_windows), tokens),
        part=part,
        corpus_sha256="c0ffee",
        context_length=tokens,
    )


def true_disagreement(threshold: float, hard_share: float) -> float:
    """Return the risk of `one_exit_trace`: the integral of 1 - c from the threshold up to 1."""
    return hard_share * (1 - threshold) ** 2 / 2


def learned_trace(
    n_tokens: int = 4001, n_exits: int = 7, seed: int = 0, *, window: int = 64, **changes: Any
) -> ExitTrace:
    """Return a trace such as trained models leave: later exits know more, and are about right.

    A token has a difficulty; an exit gives the true token a chance that falls with it and rises
    with depth, and is as sure as that chance, but for some noise. Tokens of a window are alike.
    """
    draw = np.random.default_rng(seed)
    n_windows = -(-n_tokens // window)
    ease = np.repeat(draw.normal(0, 0.6, n_windows), window)[:n_tokens]
    ease += draw.normal(0, 2, n_tokens)
    depth = np.sqrt(np.linspace(0.2, 1.0, n_exits + 1))
    logit = ease[:, None] + 2.5 * depth - 2 + draw.normal(0, 0.5, (n_tokens, n_exits + 1))
    chance = 1 / (1 + np.exp(-logit))
    sure = 1 / (1 + np.exp(-(logit + draw.normal(0, 0.7, logit.shape))))[:, :-1]
    target = draw.integers(0, 997, n_tokens)
    right = chance > 0.4
    said = np.where(right, target[:, None], (target[:, None] + 1 + (logit < -2)) % 997)
    given: dict[str, Any] = {
        "layers": tuple(range(1, n_exits + 2)),
        "log_probability": np.log(np.maximum(chance, 1e-6)),
        "likeliest": said,
        "confidence": {"max_probability": sure, "patience": patience(said[:, :-1])},
        "target": target,
        "token_bytes": draw.integers(1, 7, n_tokens),
        "position": np.arange(n_tokens) % window,
        "window": np.arange(n_tokens) // window,
        "part": "calibration",
        "corpus_sha256": "c0ffee",
        "context_length": window,
    }
    return ExitTrace(**given | changes)
