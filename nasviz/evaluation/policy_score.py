"""Scoring a model under a policy, on the road that generation takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.evaluation.scoring import (
    STRIDE,
    Score,
    batches,
    evaluating,
    first_words,
    score_of,
    token_losses,
    windows,
)
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy

# Tokens of one batch of windows. Larger than for a plain pass: where decisions depend on each
# other, windows are read token by token, and only their number fills the processor.
BATCH_TOKENS = 1 << 14


@dataclass(frozen=True)
class PolicyScore:
    """What a model under a policy comes to on a part of a corpus, teacher-forced.

    `depth_shares` says for each number of layers which share of the scored tokens went through so
    many. `stepped` says that every token was really stepped to, none of them judged in parallel.
    """

    score: Score
    depth_shares: dict[int, float]
    stepped: bool

    @property
    def average_layers(self) -> float:
        """Layers that a token went through, on average."""
        return sum(depth * share for depth, share in self.depth_shares.items())

    def to_json(self) -> dict[str, Any]:
        """Return the score's fields, and how deep tokens went."""
        shares = {str(depth): share for depth, share in sorted(self.depth_shares.items())}
        return {
            **self.score.to_json(),
            "average_layers": self.average_layers,
            "depth_shares": shares,
            "stepped": self.stepped,
        }


def score_policy(
    model: Transformer,
    policy: InferencePolicy,
    tokenized: TokenizedCorpus,
    part: str = "test",
    *,
    stride: int = STRIDE,
    max_bytes: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    stepped: bool = False,
    report: Callable[[float], object] = lambda share: None,
) -> PolicyScore:
    """Return the score of `model` under `policy`: each token as if it had just been generated.

    Windows are those of `scoring.score`. With `stepped` every token is stepped to even where one
    pass gives the same numbers. `report` hears which share of the windows is done.

    Raises `InputError` for a policy that doesn't fit, and `RunError` where logits aren't finite.
    """
    tokens = first_words(tokenized, part, max_bytes)
    context = model.architecture.context_length
    device = model.token_embedding.weight.device
    runs = list(windows(len(tokens), context, stride))
    nats, right, done, was_stepped = 0.0, 0, 0, stepped
    counts = np.zeros(model.architecture.n_layers + 1, dtype=np.int64)
    with torch.inference_mode(), evaluating(model):
        # Made here: a view of the weights takes over the model's mode.
        runner = Runner(model, policy)
        for batch in batches(iter(runs), batch_tokens):
            scored = batch[0].scored
            rows = np.stack([tokens[each.start : each.stop + 1] for each in batch])
            ids = torch.from_numpy(rows.astype(np.int64)).to(device)
            at_once = None if stepped else runner.at_once(ids[:, :-1])
            was_stepped = at_once is None
            logits, depths = at_once or runner.stepped(ids[:, :-1])
            losses, hits = token_losses(logits[:, -scored:], ids[:, -scored:])
            nats += float(losses)
            right += int(hits)
            flat = depths[:, -scored:].flatten().cpu().numpy()
            counts += np.bincount(flat, minlength=len(counts))
            done += len(batch)
            report(done / len(runs))
    n_bytes = int(tokenized.token_bytes[tokens[1:]].sum())
    total = score_of(part, nats, right, len(tokens) - 1, n_bytes, context, stride)
    shares = {depth: float(count / counts.sum()) for depth, count in enumerate(counts) if count}
    return PolicyScore(total, shares, was_stepped)
