"""`Authoring`: has a study's trained models write text, beside the kernel's own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nasviz.errors import NasvizError
from nasviz.execution.writer import Writer
from nasviz.execution.written import ReplayOrder, Report, WriteOrder
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.study.trial import Trial
from nasviz.widgets.exit_reading import trial_with_exits

if TYPE_CHECKING:
    from nasviz.study.study import Study

Hear = Callable[[Report], None]


@dataclass(frozen=True)
class Hand:
    """What would write: a complete trial's model, under a policy."""

    trial: Trial
    policy: InferencePolicy

    @property
    def n_layers(self) -> int:
        """Layers that a token can go through under the policy."""
        return self.policy.running(self.trial.candidate.architecture).n_layers


@dataclass(frozen=True)
class Asked:
    """What is to be written: how many tokens after which prompt, and how they are drawn."""

    prompt: str
    n_tokens: int
    temperature: float
    seed: int


class Authoring:
    """Gives a `Writer` its orders; whoever asks hears of the text on another thread.

    `study` returns the study on show, waiting while it is being opened.
    """

    def __init__(self, study: Callable[[], Study]) -> None:
        self._study = study
        self._writer = Writer()
        self._lock = threading.Lock()
        self._asked = 0  # how many texts were asked for
        self._stopped = 0  # those up to this one are to be written no more

    def write(
        self, trial: Trial, policies: Sequence[InferencePolicy], asked: Asked, hear: Hear
    ) -> None:
        """Have a trial's model write what is asked, once under each policy, in turn."""
        with self._lock:
            self._asked += 1
            number = self._asked

        def order() -> None:
            try:
                folder = str(self._study().directory(trial.number))
            except NasvizError as problem:
                hear(Report(0, failed=str(problem)))
                return
            told = WriteOrder(
                folder, asked.prompt, asked.n_tokens, tuple(policies), asked.temperature, asked.seed
            )
            with self._lock:
                if number < self._asked:
                    return  # another text was asked for since; nobody waits for this one
                self._writer.order(told, hear)
                if number <= self._stopped:
                    self._writer.stop()

        # The study may still be opening.
        threading.Thread(target=order, name="nasviz-write", daemon=True).start()

    def replay(self, text: int, at: int, policy: InferencePolicy, hear: Hear) -> None:
        """Have a text (the number of its report) written anew from a token on, in another way."""
        self._writer.order(ReplayOrder(text, at, policy), hear)

    def stop(self) -> None:
        """Ask for no more of what is being written, or waits for the study to be written."""
        with self._lock:
            self._stopped = self._asked
            self._writer.stop()

    def close(self) -> None:
        """End the process that writes."""
        self._writer.close()


def trial_that_writes(trials: tuple[Trial, ...], candidate: Candidate | None) -> Trial | None:
    """Return the latest complete trial of a candidate, or of the same exits at other thresholds."""
    complete = (each for each in reversed(trials) if each.state == "complete")
    own = next((each for each in complete if each.candidate == candidate), None)
    return own or trial_with_exits(trials, candidate)
