"""How a model's routers share held-out text out among experts, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.errors import InputError
from nasviz.evaluation.scoring import evaluating, first_words
from nasviz.model.dynamic.runner import Runner
from nasviz.model.routing import recorded_routing
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy

MAX_BYTES = 1 << 13
BATCH_TOKENS = 1 << 12


@dataclass(frozen=True, eq=False)
class ExpertLoad:
    """Which share of the tokens that a layer computes each of its experts gets.

    shares: (n_layers, experts). A layer's add up to how many experts a token goes through there; 0
    is an expert that nothing reaches. part: of the corpus. tokens: how many were read.
    """

    shares: NDArray[np.float64]
    part: str
    tokens: int

    @property
    def experts_per_token(self) -> tuple[float, ...]:
        """How many experts a token went through in each layer, on average."""
        return tuple(float(each) for each in self.shares.sum(axis=1))

    def to_json(self) -> dict[str, Any]:
        """Return the shares as a list a layer, and what they were measured on."""
        return {
            "part": self.part,
            "tokens": self.tokens,
            "layers": self.shares.tolist(),
            "experts_per_token": list(self.experts_per_token),
        }


def measure_expert_load(
    model: Transformer,
    policy: InferencePolicy,
    tokenized: TokenizedCorpus,
    part: str = "test",
    *,
    max_bytes: int = MAX_BYTES,
) -> ExpertLoad:
    """Return the load of the experts of `model` under `policy`, on the beginning of a part.

    Texts of a context each, every token as if it had just been generated. Raises `InputError` for a
    model without experts.
    """
    experts = model.architecture.experts
    if experts == 1:
        raise InputError("expert load: the model has no experts; one with experts=2 or more has")
    tokens = first_words(tokenized, part, max_bytes)
    length = min(model.architecture.context_length, len(tokens))
    whole = tokens[: len(tokens) // length * length].astype(np.int64).reshape(-1, length)
    texts = torch.from_numpy(whole).to(model.token_embedding.weight.device)
    with torch.inference_mode(), evaluating(model):
        runner = Runner(model, policy)
        visits = np.zeros((runner.model.architecture.n_layers, experts))
        seen = np.zeros((len(visits), 1))
        for some in torch.split(texts, max(1, BATCH_TOKENS // length)):
            with recorded_routing(runner.model) as routings:
                runner.logits(some)
            for each in routings:
                if each.layer < len(visits):  # those behind are a cascade's small model's
                    counts = torch.bincount(each.chosen.flatten(), minlength=experts)[:experts]
                    visits[each.layer] += counts.cpu().numpy()
                    seen[each.layer] += len(each.scores)
    return ExpertLoad(visits / np.maximum(seen, 1), part, texts.numel())
