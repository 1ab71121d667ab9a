"""A desk that takes orders for texts and lets a test say what comes of them."""

from __future__ import annotations

from collections.abc import Sequence

from nasviz.execution.written import Report, Written
from nasviz.space.inference import InferencePolicy
from nasviz.study.trial import Trial
from nasviz.widgets.authoring import Asked, Authoring, Hear


class Desk(Authoring):
    """Keeps what was ordered; `say` answers the latest order."""

    def __init__(self) -> None:
        self.written: list[tuple[int, tuple[InferencePolicy, ...], Asked]] = []
        self.replayed: list[tuple[int, int, InferencePolicy]] = []
        self.stopped = 0
        self._hear: Hear = lambda _report: None

    def write(
        self, trial: Trial, policies: Sequence[InferencePolicy], asked: Asked, hear: Hear
    ) -> None:
        self.written.append((trial.number, tuple(policies), asked))
        self._hear = hear

    def replay(self, text: int, at: int, policy: InferencePolicy, hear: Hear) -> None:
        self.replayed.append((text, at, policy))
        self._hear = hear

    def stop(self) -> None:
        self.stopped += 1

    def close(self) -> None:
        pass

    def say(self, report: Report) -> None:
        self._hear(report)


def text_of(*words: str, depth: int = 2, token_s: float | None = 0.002) -> Written:
    """Return a text of these words, each at one depth of four layers."""
    pieces = tuple(each.encode() for each in words)
    return Written(pieces, (depth,) * len(pieces), 4, token_s, float(depth))
