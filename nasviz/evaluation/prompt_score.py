"""Scoring what follows a prompt: where a policy reads prompts otherwise than what it writes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.errors import InputError
from nasviz.evaluation.policy_score import BATCH_TOKENS, PolicyScore
from nasviz.evaluation.scoring import evaluating, first_words, score_of, token_losses
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy


def score_after_prompt(
    model: Transformer,
    policy: InferencePolicy,
    tokenized: TokenizedCorpus,
    part: str = "test",
    *,
    prompt_tokens: int,
    scored_tokens: int,
    max_bytes: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    report: Callable[[float], object] = lambda share: None,
) -> PolicyScore:
    """Return the score of `model` under `policy`, teacher-forced, on what follows prompts.

    Windows of the part hold `prompt_tokens` that are read as a prompt and then `scored_tokens` that
    are stepped to, each window `scored_tokens` after the one before, so that every token behind the
    first prompt is scored once, up to the last whole window. The first scored token is what the
    prompt's reading says. `report` hears which share of the windows is done.

    Raises `InputError` for a policy that doesn't fit, for windows that the context or the part
    can't hold, and `RunError` where logits aren't finite.
    """
    runner = Runner(model, policy)
    windows = _windows(
        first_words(tokenized, part, max_bytes),
        model.architecture.context_length,
        prompt_tokens,
        scored_tokens,
    )  # (n, prompt + scored)
    device = model.token_embedding.weight.device
    rows = max(1, batch_tokens // windows.shape[1])
    nats, right, done = 0.0, 0, 0
    counts = np.zeros(model.architecture.n_layers + 1, dtype=np.int64)
    with torch.inference_mode(), evaluating(model):
        for batch in np.split(windows, range(rows, len(windows), rows)):
            ids = torch.from_numpy(batch.astype(np.int64)).to(device)
            logits, depths = _read_and_step(runner, ids, prompt_tokens)
            losses, hits = token_losses(logits, ids[:, prompt_tokens:])
            nats += float(losses)
            right += int(hits)
            counts += np.bincount(depths.flatten().cpu().numpy(), minlength=len(counts))
            done += len(batch)
            report(done / len(windows))
    scored = windows[:, prompt_tokens:]
    total = score_of(
        part,
        nats,
        right,
        scored.size,
        int(tokenized.token_bytes[scored].sum()),
        windows.shape[1] - 1,
        scored_tokens,
    )
    shares = {depth: float(count / counts.sum()) for depth, count in enumerate(counts) if count}
    return PolicyScore(total, shares, stepped=True)


def _windows(
    tokens: NDArray[np.integer], context: int, prompt: int, scored: int
) -> NDArray[np.integer]:
    """Return every window's tokens, (n, prompt + scored)."""
    for name, value in (("prompt_tokens", prompt), ("scored_tokens", scored)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={value!r} is not a positive whole number")
    width = prompt + scored
    if width - 1 > context:  # the last token is scored, but not read
        raise InputError(
            f"prompt_tokens={prompt} and scored_tokens={scored} don't fit into "
            f"context_length={context}; lower one, at most {context + 1} together"
        )
    if width > len(tokens):
        raise InputError(
            f"prompt_tokens={prompt} and scored_tokens={scored} are more than the {len(tokens)} "
            "tokens of the text; lower one, or score more bytes"
        )
    return np.lib.stride_tricks.sliding_window_view(tokens, width)[::scored]


def _read_and_step(runner: Runner, ids: Tensor, prompt: int) -> tuple[Tensor, Tensor]:
    """Return logits (B, scored, V) and depths (B, scored) of what follows the prompts of `ids`."""
    reading = runner.new_reading(ids.shape[1], batch=len(ids))
    logits = [runner.read(ids[:, :prompt], reading)]
    logits += [runner.step(column, reading) for column in ids[:, prompt:-1].unbind(dim=1)]
    whole = torch.full_like(ids[:, 0], runner.model.architecture.n_layers)
    return torch.stack(logits, dim=1), torch.stack([whole, *reading.depths], dim=1)
