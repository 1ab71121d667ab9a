"""`ExitTrace`: what one pass over text showed at every exit, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasviz.errors import InputError, unknown_name
from nasviz.space.options.early_exit import Criterion

CRITERIA: tuple[Criterion, ...] = get_args(Criterion)

# The state at the exit before is not in a trace: other exits are another measurement.
_NEEDS_THE_EXIT_BEFORE: Criterion = "saturation"


@dataclass(frozen=True, eq=False)
class ExitTrace:
    """What every exit said of every scored token: n tokens, E exits and the whole model.

    layers: after how many layers each exit stands, rising; the last is the whole model's number.
    log_probability: of the true token, in nats, (n, E + 1) float32.
    likeliest: the id that each exit would have said, (n, E + 1).
    confidence: each criterion's score from 0 to 1, (n, E) float32; `gate` only where there is one.
    target: the true ids, (n,). token_bytes: their bytes, (n,).
    position: where in its context each stands, (n,), from 0; the threshold's decay reads it.
    window: which window of the scoring pass each belongs to, (n,).

    Numbers that are summed or compared with a threshold are float32: half precision would move
    bits per byte by up to 5e-4 of itself and know only 2,048 thresholds between 0.5 and 1.

    Arrays are read-only. Raises `InputError` for what doesn't fit together.
    """

    layers: tuple[int, ...]
    log_probability: NDArray[np.float32]
    likeliest: NDArray[np.int32]
    confidence: Mapping[Criterion, NDArray[np.float32]]
    target: NDArray[np.int32]
    token_bytes: NDArray[np.int32]
    position: NDArray[np.int32]
    window: NDArray[np.int32]
    part: str
    corpus_sha256: str
    context_length: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(int(each) for each in self.layers))
        _check_layers(self.layers)
        for name in ("target", "token_bytes", "position", "window"):
            self._keep(name, np.int32, (len(self.target),))
        n_tokens, n_heads = len(self.target), len(self.layers)
        if n_tokens == 0:
            raise InputError("an exit trace without scored tokens says nothing; score more text")
        self._keep("log_probability", np.float32, (n_tokens, n_heads))
        self._keep("likeliest", np.int32, (n_tokens, n_heads))
        scores: dict[Criterion, NDArray[Any]] = {}
        for criterion, score in self.confidence.items():
            if criterion not in CRITERIA:
                raise unknown_name("exit criterion", criterion, CRITERIA)
            name = f"confidence[{criterion!r}]"
            scores[criterion] = _fixed(name, score, np.float32, (n_tokens, n_heads - 1))
            _check_range(name, scores[criterion], 0, 1)
        object.__setattr__(self, "confidence", MappingProxyType(scores))
        # Logits of a few hundred make the rounding error of a float32 log-softmax as large as this.
        _check_range("log_probability", self.log_probability, -np.inf, 1e-3)
        _check_range("token_bytes", self.token_bytes, 1, np.inf)
        _check_range("position", self.position, 0, self.context_length - 1)

    @property
    def n_tokens(self) -> int:
        """Number of scored tokens."""
        return len(self.target)

    @property
    def n_exits(self) -> int:
        """Number of exits below the last layer."""
        return len(self.layers) - 1

    @property
    def n_bytes(self) -> int:
        """Bytes of the scored text."""
        return int(self.token_bytes.sum(dtype=np.int64))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each exit would have said the true token, (n, E + 1)."""
        right: NDArray[np.bool_] = self.likeliest == self.target[:, None]
        return right

    @property
    def agrees(self) -> NDArray[np.bool_]:
        """Whether each exit would have said what the whole model says, (n, E + 1)."""
        same: NDArray[np.bool_] = self.likeliest == self.likeliest[:, -1:]
        return same

    def score(self, criterion: str) -> NDArray[np.float32]:
        """Return a criterion's confidence, (n, E); raises `InputError` where it wasn't kept."""
        found = {str(name): score for name, score in self.confidence.items()}.get(criterion)
        if found is None:
            raise unknown_name("criterion of this exit trace", criterion, self.confidence)
        return found

    def with_exits(self, layers: Sequence[int]) -> ExitTrace:
        """Return the trace of the same model with only the exits after `layers`.

        Patience is counted anew; saturation compares with the exit before, so it is left out.
        Raises `InputError` for an exit that wasn't measured.
        """
        missing = [layer for layer in layers if layer not in self.layers[:-1]]
        if missing:
            raise InputError(
                f"no exit was measured after {missing[0]} layers; measured: "
                f"{', '.join(map(str, self.layers[:-1]))}"
            )
        columns = [self.layers.index(layer) for layer in layers]
        heads = [*columns, self.n_exits]
        likeliest = self.likeliest[:, heads]
        confidence = {
            criterion: score[:, columns]
            for criterion, score in self.confidence.items()
            if criterion != _NEEDS_THE_EXIT_BEFORE
        }
        if "patience" in confidence:
            confidence["patience"] = patience(likeliest[:, :-1])
        return replace(
            self,
            layers=(*layers, self.layers[-1]),
            log_probability=self.log_probability[:, heads],
            likeliest=likeliest,
            confidence=confidence,
        )

    def _keep(self, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        object.__setattr__(self, name, _fixed(name, getattr(self, name), dtype, shape))


def patience(said: NDArray[Any]) -> NDArray[np.float32]:
    """Return how many exits in a row name the same token, this one included, as a share of all.

    `said` and the result have shape (n, E). Zhou et al. 2020, PABEE, arXiv:2006.04152.

    >>> patience(np.array([[7, 7, 3, 3]])).tolist()
    [[0.25, 0.5, 0.25, 0.5]]
    """
    n_exits = said.shape[1]
    streak = np.ones(said.shape, np.float32)
    for exit_ in range(1, n_exits):
        same = said[:, exit_] == said[:, exit_ - 1]
        streak[:, exit_] += np.where(same, streak[:, exit_ - 1], 0)
    return streak / np.float32(max(n_exits, 1))


def _check_layers(layers: tuple[int, ...]) -> None:
    if len(layers) < 2 or layers[0] < 1 or any(b <= a for a, b in pairwise(layers)):
        raise InputError(
            f"layers={list(layers)}: an exit trace needs the layers of at least one exit and of "
            "the whole model, rising from 1"
        )


def _check_range(name: str, values: NDArray[Any], low: float, high: float) -> None:
    if not np.isfinite(values).all():
        raise InputError(f"{name} of the exit trace holds values that are no numbers")
    least, most = values.min(), values.max()
    if least < low or most > high:
        raise InputError(
            f"{name} of the exit trace reaches from {least:g} to {most:g}; its range is {low:g} "
            f"to {high:g}"
        )


def _fixed(
    name: str, values: ArrayLike, dtype: type[np.generic], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return `values` as a read-only array of `dtype`; raises `InputError` for another shape."""
    array = np.ascontiguousarray(values, dtype=dtype).view()
    if array.shape != shape:
        raise InputError(f"{name} of the exit trace has shape {array.shape} instead of {shape}")
    array.flags.writeable = False
    return array
