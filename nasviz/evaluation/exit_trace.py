"""One pass over text that keeps what every exit said of every token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.evaluation.scoring import (
    BATCH_TOKENS,
    STRIDE,
    Window,
    batches,
    evaluating,
    first_words,
    windows,
)
from nasviz.model.dynamic.additions import exits_of
from nasviz.model.dynamic.confidence import from_logits, saturation
from nasviz.model.dynamic.exits import Exits
from nasviz.model.transformer import Transformer
from nasviz.quality.exit_trace import CRITERIA, ExitTrace, patience
from nasviz.space.options.early_exit import Criterion, EarlyExit

_FROM_LOGITS: tuple[Criterion, ...] = ("max_probability", "margin", "entropy")

Arrays = dict[str, NDArray[Any]]


def trace_exits(
    model: Transformer,
    option: EarlyExit,
    tokenized: TokenizedCorpus,
    part: str = "test",
    *,
    stride: int = STRIDE,
    max_bytes: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    report: Callable[[float], object] = lambda share: None,
) -> ExitTrace:
    """Return what each of `option`'s exits, and the whole model, says of a part of the corpus.

    Every token is scored once, in the same windows as by `scoring.score`, as if it had been
    generated and its left context's keys and values were those of the full model: what leaving
    early comes to where skipped layers are recomputed. All criteria are kept; `gate` only where the
    option's exits have gates. `report` hears which share of the windows is done.

    Raises `InputError` for an option that doesn't fit the model.
    """
    option.check_fits(model.architecture)
    exits = exits_of(model, option)
    tokens = first_words(tokenized, part, max_bytes)
    context = model.architecture.context_length
    runs = list(windows(len(tokens), context, stride))
    numbers = {window: number for number, window in enumerate(runs)}
    found: list[Arrays] = []
    done = 0
    with torch.inference_mode(), evaluating(model):
        for batch in batches(iter(runs), batch_tokens):
            found.append(_of_batch(model, exits, tokens, batch, numbers))
            done += len(batch)
            report(done / len(runs))
    arrays = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    names = {f"confidence.{criterion}": criterion for criterion in CRITERIA}
    confidence = {names[name]: arrays.pop(name) for name in names.keys() & arrays.keys()}
    confidence["patience"] = patience(arrays["likeliest"][:, :-1])
    return ExitTrace(
        layers=(*exits.layers, model.architecture.n_layers),
        confidence=confidence,
        token_bytes=tokenized.token_bytes[arrays["target"]],
        part=part,
        corpus_sha256=tokenized.corpus.sha256,
        context_length=context,
        **arrays,
    )


def _of_batch(
    model: Transformer,
    exits: Exits,
    tokens: NDArray[Any],
    batch: list[Window],
    numbers: dict[Window, int],
) -> Arrays:
    """Return the trace's columns of the targets that a batch of windows scores."""
    width, scored = batch[0].stop - batch[0].start, batch[0].scored
    device = model.token_embedding.weight.device
    rows = np.stack([tokens[each.start : each.stop + 1] for each in batch])
    ids = torch.from_numpy(rows.astype(np.int64)).to(device)  # (B, T + 1)
    targets = ids[:, width - scored + 1 :]  # (B, scored)
    hidden = model.embed(ids[:, :-1])
    before = hidden[:, -scored:]
    columns: dict[str, list[Tensor]] = {}
    done = 0
    for place, layer in enumerate(exits.layers):
        hidden = model.run_layers(hidden, done, layer)
        done = layer
        state = hidden[:, -scored:]
        logits = exits.logits(place, state)
        _add(columns, logits, targets)
        for criterion in _FROM_LOGITS:
            columns.setdefault(f"confidence.{criterion}", []).append(from_logits(criterion, logits))
        columns.setdefault("confidence.saturation", []).append(saturation(state, before))
        if len(exits.gates):
            sure = torch.sigmoid(exits.gate(place, state).float())
            columns.setdefault("confidence.gate", []).append(sure)
        before = state
    _add(columns, model.head(model.run_layers(hidden, done, last=scored)), targets)
    arrays = {
        name: torch.stack(parts, dim=-1).flatten(0, 1).cpu().numpy()
        for name, parts in columns.items()
    }
    position = np.arange(width - scored, width)
    return {
        **arrays,
        "target": targets.flatten().cpu().numpy(),
        "position": np.tile(position, len(batch)),
        "window": np.repeat([numbers[each] for each in batch], scored),
    }


def _add(columns: dict[str, list[Tensor]], logits: Tensor, targets: Tensor) -> None:
    """Add what one head says of the targets (B, scored): log-probability and likeliest token."""
    exact = logits.float()
    chosen = exact.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    log_probability = chosen - torch.logsumexp(exact, dim=-1)
    columns.setdefault("log_probability", []).append(log_probability)
    columns.setdefault("likeliest", []).append(exact.argmax(dim=-1))
