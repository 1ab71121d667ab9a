"""Texts that are written in turn, each on a clock of its own, and where two of them part."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nasviz.evaluation.stopwatch import Stopwatch
from nasviz.model.writing import Writing


class TimedWriting:
    """A `Writing` whose acts are timed, from its `counted_from`th new token on.

    Of each act it keeps which token it began with and where the draws stood before it: the same
    text can be taken up there.
    """

    def __init__(self, writing: Writing, counted_from: int = 0) -> None:
        self.writing = writing
        self.counted_from = counted_from
        self._begins: list[int] = []
        self._states: list[Tensor] = []
        self._seconds = 0.0
        self._timed = 0
        self._stopwatch = Stopwatch(writing.device.type, torch.get_num_threads())

    def advance(self) -> None:
        """Let the writing act once more."""
        writing, clock = self.writing, self._stopwatch.now
        begin = len(writing.tokens)
        self._begins.append(begin)
        self._states.append(writing.chooser.state)
        self._stopwatch.wait()
        start = clock()
        found = writing.advance()
        self._stopwatch.wait()
        seconds = clock() - start
        # The first token comes with the prompt's reading, which is no token's time.
        if begin >= max(1, self.counted_from):
            self._seconds += seconds
            self._timed += len(found)

    @property
    def token_s(self) -> float | None:
        """Seconds from one token to the next, the mean; None before the second one.

        Where the context is full and its latest half is read anew, that counts.
        """
        return self._seconds / self._timed if self._timed else None

    @property
    def average_layers(self) -> float:
        """Layers that a counted token was decided after, on average; 0 where there is none."""
        counted = self.writing.depths[self.counted_from :]
        return sum(counted) / len(counted) if counted else 0.0

    def taken_up_at(self, token: int) -> tuple[int, Tensor]:
        """Return the first token of the act that wrote `token`, and where the draws stood then.

        A round of guesses is one act: its tokens were drawn together.
        """
        act = bisect_right(self._begins, token) - 1
        return self._begins[act], self._states[act]


def in_turn(sides: Sequence[TimedWriting]) -> Iterator[TimedWriting]:
    """Yield whichever wrote, until all are done: the one with the fewest tokens writes next.

    A slow moment of the machine so touches them alike.
    """
    while going := [each for each in sides if not each.writing.done]:
        side = min(going, key=lambda each: len(each.writing.tokens))
        side.advance()
        yield side


def parted_at(one: Sequence[int], other: Sequence[int]) -> int | None:
    """Return the first place where two texts differ, as far as both go; None where they don't."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), None)
