"""Scoring a model under a policy, on the road that generation takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.errors import RunError
from nasviz.evaluation.scoring import STRIDE, batches, evaluating, first_words, windows
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.quality.bits import bits_per_byte
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

    part: str
    bits_per_byte: float
    accuracy: float
    nats: float
    tokens: int
    bytes: int
    stride: int
    depth_shares: dict[int, float]
    stepped: bool

    @property
    def average_layers(self) -> float:
        """Layers that a token went through, on average."""
        return sum(depth * share for depth, share in self.depth_shares.items())

    def to_json(self) -> dict[str, Any]:
        """Return every field by name, and the average depth."""
        shares = {str(depth): share for depth, share in sorted(self.depth_shares.items())}
        return {
            "part": self.part,
            "bits_per_byte": self.bits_per_byte,
            "accuracy": self.accuracy,
            "nats": self.nats,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "stride": self.stride,
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
    runner = Runner(model, policy)
    tokens = first_words(tokenized, part, max_bytes)
    context = model.architecture.context_length
    device = model.token_embedding.weight.device
    runs = list(windows(len(tokens), context, stride))
    nats, right, done = 0.0, 0, 0
    counts = np.zeros(model.architecture.n_layers + 1, dtype=np.int64)
    with torch.inference_mode(), evaluating(model):
        for batch in batches(iter(runs), batch_tokens):
            scored = batch[0].scored
            rows = np.stack([tokens[each.start : each.stop + 1] for each in batch])
            ids = torch.from_numpy(rows.astype(np.int64)).to(device)
            read = runner.stepped if stepped else runner.logits
            logits, depths = read(ids[:, :-1])
            exact, targets = logits[:, -scored:].float(), ids[:, -scored:]
            chosen = exact.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
            losses = torch.logsumexp(exact, dim=-1).double() - chosen.double()
            nats += float(losses.sum())
            right += int((exact.argmax(dim=-1) == targets).sum())
            flat = depths[:, -scored:].flatten().cpu().numpy()
            counts += np.bincount(flat, minlength=len(counts))
            done += len(batch)
            report(done / len(runs))
    if not math.isfinite(nats):
        raise RunError("the model's logits are not finite: it has diverged and can't be scored")
    n_tokens = len(tokens) - 1
    n_bytes = int(tokenized.token_bytes[tokens[1:]].sum())
    return PolicyScore(
        part=part,
        bits_per_byte=float(bits_per_byte(nats, n_bytes)),
        accuracy=right / n_tokens,
        nats=nats,
        tokens=n_tokens,
        bytes=n_bytes,
        stride=min(stride, context),
        depth_shares={
            depth: float(count / n_tokens) for depth, count in enumerate(counts) if count
        },
        stepped=stepped,
    )
