"""What can be said of a text before a trial is stored."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nasviz.errors import InputError
from nasviz.space.candidate import Candidate
from nasviz.training.plan import TrainingPlan

if TYPE_CHECKING:
    from nasviz.corpus.tokenized import TokenizedCorpus


def check_corpus(corpus: str | os.PathLike[str]) -> None:
    """Raise `InputError` for a corpus that can't be trained on."""
    from nasviz.corpus.corpus import open_corpus

    open_corpus(corpus)


def check_plan(plan: TrainingPlan) -> None:
    """Raise `InputError` for a plan that asks more of this machine than it has.

    A package that isn't installed, precisions that its device doesn't compute in, and more
    processes than it has devices. Torch, which knows, loads only for a plan that names one of the
    last two.
    """
    if plan.lora_rank and find_spec("peft") is None:
        raise InputError(
            "low-rank adapters (lora) need the package peft, which is not installed: "
            "pip install peft"
        )
    if plan.precision in ("auto", "fp32") and plan.devices == 1:
        return
    from nasviz.training.engine import check_devices, settle_precision

    check_devices(plan)
    settle_precision(plan)


def checked_text(candidate: Candidate, corpus: str | os.PathLike[str]) -> TokenizedCorpus:
    """Return the corpus under the candidate's vocabulary, long enough for its context.

    Fits the tokenizer, which the worker then finds in the cache. Raises `InputError` for a corpus
    that can't be trained on or is too short.
    """
    from nasviz.corpus.corpus import open_corpus
    from nasviz.corpus.tokenized import tokenize

    architecture = candidate.architecture
    text = tokenize(open_corpus(corpus), architecture.vocab_size)
    tokens = text.tokens("train")
    if len(tokens) <= architecture.context_length:
        raise InputError(
            f"context_length={architecture.context_length} is more than the {len(tokens)} tokens "
            f"of corpus {os.fspath(corpus)!r}; use a longer text, or a context up to "
            f"{len(tokens) - 1}"
        )
    return text


def repetition(candidate: Candidate, plan: TrainingPlan, text: TokenizedCorpus) -> str | None:
    """Return what to tell who lets a small text be read too often, or None if it is harmless.

    A budget in seconds has no planned size and is never warned about.
    """
    from nasviz.corpus.parts import repetition_warning
    from nasviz.training.recipe import recipe_for

    if plan.budget[0] == "seconds":
        return None
    each = text.bytes_per_token()
    recipe = recipe_for(candidate.architecture, plan, bytes_per_token=each)
    planned = recipe.n_steps * recipe.tokens_per_step * each
    return repetition_warning(text.corpus.part_bytes("train"), planned)
