"""Scoring text: how many bits a model needs for each byte of a held-out part.

Every token but a part's first is scored once, in the window where it sees most. A window holds
`context` tokens; windows begin `stride` apart, and each scores the targets that the one before did
not: all of them in the first, the last `stride` in the others. So with `stride == context` this is
the plain pass over non-overlapping windows, and with a shorter stride each token (after the first
window) has at least `context - stride + 1` tokens on its left.

What is compared must be scored on the same bytes: a part's first token is one byte in every
vocabulary (see `nasviz.corpus.tokenized`), it is given and not scored, and all the other bytes
are. The stride is the same number of tokens for all; only a context shorter than it has its own
length as stride, which the score states.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.corpus.tokenizer import SAFE_BORDER
from nasviz.errors import InputError, RunError
from nasviz.model.transformer import Transformer
from nasviz.quality.bits import bits_per_byte

STRIDE = 64
BATCH_TOKENS = 1 << 12

# Logits of one batch, in numbers: 256 MiB in float32.
_MOST_LOGITS = 1 << 26


@dataclass(frozen=True)
class Score:
    """What a model's pass over a part of a corpus came to.

    `nats` is the total negative log-likelihood of the `tokens` scored, which stand for `bytes` of
    text. `perplexity` and `accuracy` (of the likeliest next token) are per token, so they compare
    models of one vocabulary only; `bits_per_byte` compares all.
    """

    part: str
    bits_per_byte: float
    perplexity: float
    accuracy: float
    nats: float
    tokens: int
    bytes: int
    context: int
    stride: int
    least_left_context: int

    def to_json(self) -> dict[str, Any]:
        """Return every field by name."""
        return asdict(self)


@dataclass(frozen=True)
class Window:
    """Inputs `[start, stop)` of a part; the targets of its last `scored` inputs count."""

    start: int
    stop: int
    scored: int


def score(
    model: nn.Module,
    tokenized: TokenizedCorpus,
    part: str = "test",
    *,
    stride: int = STRIDE,
    max_bytes: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    context: int | None = None,
    device: torch.device | str | None = None,
) -> Score:
    """Return the score of `model` on a part of the corpus.

    `model` maps ids `(B, T)` to logits `(B, T, V)`; `context` is its architecture's unless given.
    With `max_bytes` only the first words of the part up to that many bytes are scored, which are
    the same words under every vocabulary. Dropout is off meanwhile.

    Raises `InputError` for settings out of range or a vocabulary that isn't the model's, and
    `RunError` if the model's logits are not finite.
    """
    length = _context_length(model) if context is None else context
    _check_positive(stride=stride, context=length, batch_tokens=batch_tokens)
    architecture = getattr(model, "architecture", None)
    if architecture is not None and architecture.vocab_size != tokenized.vocab_size:
        raise InputError(
            f"the model has vocab_size={architecture.vocab_size} and the tokenizer "
            f"{tokenized.vocab_size}; tokenize the corpus with the model's"
        )
    tokens = first_words(tokenized, part, max_bytes)
    nats, right = score_tokens(
        model, tokens, context=length, stride=stride, batch_tokens=batch_tokens, device=device
    )
    n_bytes = int(tokenized.token_bytes[tokens[1:]].sum())
    return score_of(part, nats, right, len(tokens) - 1, n_bytes, length, stride)


def score_of(
    part: str, nats: float, right: int, n_tokens: int, n_bytes: int, context: int, stride: int
) -> Score:
    """Return the score of `n_tokens` tokens of `n_bytes` bytes, `right` of them the likeliest.

    Raises `RunError` if the nats are not finite.
    """
    if not math.isfinite(nats):
        raise RunError("the model's logits are not finite: it has diverged and can't be scored")
    effective = min(stride, context)
    # A model that assigns next to nothing would overflow a float: 700 nats are beyond any use.
    perplexity = math.exp(min(nats / n_tokens, 700.0))
    return Score(
        part=part,
        bits_per_byte=bits_per_byte(nats, n_bytes),
        perplexity=perplexity,
        accuracy=right / n_tokens,
        nats=nats,
        tokens=n_tokens,
        bytes=n_bytes,
        context=context,
        stride=effective,
        least_left_context=context - effective + 1,
    )


def score_tokens(
    model: nn.Module,
    tokens: NDArray[Any],
    *,
    context: int,
    stride: int = STRIDE,
    batch_tokens: int = BATCH_TOKENS,
    device: torch.device | str | None = None,
) -> tuple[float, int]:
    """Return the nats of `tokens[1:]`, summed in float64, and how many were the likeliest.

    `tokens` has shape `(n,)`.
    """
    place = device if device is not None else _device(model)
    nats = torch.zeros((), dtype=torch.float64, device=place)
    right = torch.zeros((), dtype=torch.int64, device=place)
    with torch.no_grad(), evaluating(model):  # not inference mode: training goes on after
        for batch in batches(windows(len(tokens), context, stride), batch_tokens):
            width, scored = batch[0].stop - batch[0].start, batch[0].scored
            rows = np.stack([tokens[each.start : each.stop + 1] for each in batch])
            ids = torch.from_numpy(rows.astype(np.int64)).to(place)  # (B, T + 1)
            targets = ids[:, width - scored + 1 :]  # (B, scored)
            for logits, aims in _logits(model, ids[:, :-1], targets):
                losses, hits = token_losses(logits, aims)
                nats += losses
                right += hits
    total = float(nats)
    if not math.isfinite(total):
        raise RunError("the model's logits are not finite: it has diverged and can't be scored")
    return total, int(right)


def windows(n_tokens: int, context: int, stride: int) -> Iterator[Window]:
    """Yield the windows over `n_tokens` ids; together they score targets 1 to `n_tokens - 1` once.

    >>> list(windows(8, context=4, stride=2))
    [Window(start=0, stop=4, scored=4), Window(start=2, stop=6, scored=2), \
Window(start=4, stop=7, scored=1)]
    """
    step = min(stride, context)
    start, done = 0, 0
    while done < n_tokens - 1:
        stop = min(start + context, n_tokens - 1)
        yield Window(start, stop, stop - done)
        start, done = start + step, stop


def inputs_of(n_scored: int, context: int, stride: int) -> int:
    """Return how many inputs the windows read that score so many tokens; overlaps count each time.

    >>> inputs_of(7, context=4, stride=2)
    11
    """
    return sum(each.stop - each.start for each in windows(n_scored + 1, context, stride))


def first_words(tokenized: TokenizedCorpus, part: str, max_bytes: int | None) -> NDArray[Any]:
    """Return the ids of a part up to the last whole word within its first `max_bytes`.

    Raises `InputError` if no two words end there.
    """
    tokens = tokenized.tokens(part)
    if max_bytes is None or max_bytes >= tokenized.corpus.part_bytes(part):
        return tokens
    _check_positive(max_bytes=max_bytes)
    text = tokenized.corpus.part(part)[: max_bytes + 1]
    borders = [match.end() for match in SAFE_BORDER.finditer(text)]
    if not borders or borders[-1] < 2:
        raise InputError(f"max_bytes={max_bytes} of the {part} part hold no whole word; raise it")
    ends = np.cumsum(tokenized.token_bytes[tokens[: max_bytes + 1]])
    return tokens[: int(np.searchsorted(ends, borders[-1], side="right"))]


def _logits(model: nn.Module, inputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits (b, scored, V) and targets (b, scored) for a few of the B inputs (B, T) each.

    Our own transformer runs its last layer and its head at the scored positions alone: the same
    numbers, in 0.66 (2 layers) to 0.9 (8 layers) of the time where 64 of 512 positions are scored.
    The head takes a few rows at a time, so that a large vocabulary costs no memory.
    """
    scored = targets.shape[1]
    if not isinstance(model, Transformer):
        yield model(inputs)[:, -scored:], targets
        return
    hidden = model.run_layers(model.embed(inputs), last=scored)  # (B, scored, M)
    rows = max(1, _MOST_LOGITS // (scored * model.architecture.vocab_size))
    for some, aims in zip(torch.split(hidden, rows), torch.split(targets, rows), strict=True):
        yield model.head(some), aims


def token_losses(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of -log p(target) in float64 and the number of targets that are likeliest."""
    exact = logits.float()
    chosen = exact.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    losses = torch.logsumexp(exact, dim=-1).double() - chosen.double()
    return losses.sum(), (exact.argmax(dim=-1) == targets).sum()


def batches(all_windows: Iterator[Window], batch_tokens: int) -> Iterator[list[Window]]:
    """Yield runs of windows of one shape, of about `batch_tokens` inputs together."""
    batch: list[Window] = []
    for window in all_windows:
        shape = (window.stop - window.start, window.scored)
        if batch and (
            shape != (batch[0].stop - batch[0].start, batch[0].scored)
            or (len(batch) + 1) * shape[0] > batch_tokens
        ):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch `model` to evaluation inside, and back afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _device(model: nn.Module) -> torch.device:
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _context_length(model: nn.Module) -> int:
    architecture = getattr(model, "architecture", None)
    if architecture is None:
        raise InputError("the model names no architecture; give its context")
    return int(architecture.context_length)


def _check_positive(**settings: int) -> None:
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={value!r} is not a positive whole number")
