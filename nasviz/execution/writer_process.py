"""The process that writes text: `python -m nasviz.execution.writer_process`, started by `Writer`.

See `nasviz.execution.serving`. Its clock is its one thread's own time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nasviz.corpus.tokenizer import Tokenizer
from nasviz.errors import InputError, NasvizError
from nasviz.evaluation.timed_writing import TimedWriting, in_turn, parted_at
from nasviz.execution.serving import serve
from nasviz.execution.written import ReplayOrder, Report, WriteOrder, Written, order_from_json
from nasviz.model.checkpoint import WEIGHTS
from nasviz.model.choice import Chooser
from nasviz.model.trained import load_trained
from nasviz.model.transformer import Transformer
from nasviz.model.writing import Writing
from nasviz.space.inference import InferencePolicy

REPORT_S = 0.05
# Tokens that a side writes before a race, unseen: first steps allocate and fill caches.
WARM_TOKENS = 4


@dataclass(frozen=True, eq=False)
class KeptText:
    """The latest text under one policy, with all that it takes to write it anew."""

    number: int
    order: WriteOrder
    prompt: tuple[int, ...]
    timed: TimedWriting


class Desk:
    """Carries orders out, one after the other; those up to number `stopped` write no more."""

    def __init__(self, out: IO[str]) -> None:
        self.stopped = 0
        self._out = out
        self._loaded: tuple[object, Transformer, Tokenizer] | None = None
        self._text: KeptText | None = None

    def carry_out(self, said: Mapping[str, Any]) -> None:
        """Write what was ordered, reporting on the way; what is wrong is reported too."""
        number, order = said["number"], order_from_json(said)
        try:
            if isinstance(order, ReplayOrder):
                self._replay(number, order)
            else:
                self._write(number, order)
        except NasvizError as problem:
            self._report(Report(number, failed=str(problem)))

    def _write(self, number: int, order: WriteOrder) -> None:
        model, tokenizer = self._model(Path(order.folder))
        prompt = tuple(tokenizer.encode(order.prompt))
        if len(order.policies) > 1:
            for policy in order.policies:
                _warm_up(model, prompt, policy)
        sides = [
            TimedWriting(
                Writing(
                    model, prompt, order.n_tokens, Chooser(order.temperature, seed=order.seed),
                    policy=policy,
                )
            )
            for policy in order.policies
        ]  # fmt: skip
        self._run(number, sides, 0)
        if len(sides) == 1:
            self._text = KeptText(number, order, prompt, sides[0])

    def _replay(self, number: int, order: ReplayOrder) -> None:
        kept = self._text
        if kept is None or kept.number != order.text:
            raise InputError("the text is no longer at hand; write it again, then click a token")
        written = kept.timed.writing.tokens
        if not 0 <= order.at < len(written):
            raise InputError(
                f"token {order.at} is none of the {len(written)} that were written; "
                f"0 to {len(written) - 1}"
            )
        model, _ = self._model(Path(kept.order.folder))
        begin, state = kept.timed.taken_up_at(order.at)
        sides = []
        for policy in (kept.order.policies[0], order.policy):
            chooser = Chooser(kept.order.temperature)
            chooser.resume(state)
            writing = Writing(
                model, kept.prompt, len(written), chooser, policy=policy, dictated=written[:begin]
            )
            sides.append(TimedWriting(writing, begin))
        self._run(number, sides, begin)

    def _run(self, number: int, sides: Sequence[TimedWriting], begin: int) -> None:
        reported = time.monotonic()
        for _ in in_turn(sides):
            if number <= self.stopped:
                break
            if time.monotonic() - reported > REPORT_S:
                self._report(Report(number, self._texts(sides), begin=begin))
                reported = time.monotonic()
        parted = parted_at(*(each.writing.tokens for each in sides)) if len(sides) > 1 else None
        stopped = not all(each.writing.done for each in sides)
        self._report(Report(number, self._texts(sides), True, stopped, begin, parted))

    def _texts(self, sides: Sequence[TimedWriting]) -> tuple[Written, ...]:
        assert self._loaded is not None
        pieces = self._loaded[2].pieces
        return tuple(written_of(each, pieces) for each in sides)

    def _model(self, folder: Path) -> tuple[Transformer, Tokenizer]:
        """Return what is in a folder, read once while its weights stay the same."""
        weights = folder / WEIGHTS
        stamp = weights.stat().st_mtime_ns if weights.exists() else 0
        if self._loaded is None or self._loaded[0] != (folder, stamp):
            self._loaded = ((folder, stamp), *load_trained(folder))
        return self._loaded[1], self._loaded[2]

    def _report(self, report: Report) -> None:
        self._out.write(json.dumps(report.to_json()) + "\n")
        self._out.flush()


def written_of(timed: TimedWriting, pieces: Sequence[bytes]) -> Written:
    """Return how a text stands; `pieces` are the bytes of each token's id."""
    writing, drafts = timed.writing, timed.writing.drafts
    guessed = drafts is not None and drafts.rounds > 0
    return Written(
        pieces=tuple(pieces[each] if each < len(pieces) else b"" for each in writing.tokens),
        depths=tuple(writing.depths),
        n_layers=writing.n_layers,
        token_s=timed.token_s,
        average_layers=timed.average_layers,
        acceptance=drafts.acceptance if drafts is not None and guessed else None,
        tokens_per_round=drafts.tokens_per_round if drafts is not None and guessed else None,
        prompt_cut=writing.prompt_cut,
        rereads=writing.rereads,
    )


def _warm_up(model: Transformer, prompt: Sequence[int], policy: InferencePolicy) -> None:
    writing = Writing(model, prompt, WARM_TOKENS, Chooser(), policy=policy)
    while not writing.done:
        writing.advance()


def main() -> int:
    """Serve the orders on standard input."""
    return serve(Desk)


if __name__ == "__main__":
    raise SystemExit(main())
