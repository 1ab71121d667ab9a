"""The process that measures parts: `python -m nasviz.execution.appraiser_process`.

Started by `Appraiser`; see `nasviz.execution.serving`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize_by
from nasviz.errors import NasvizError
from nasviz.evaluation.importance.piecewise import measured_piecewise
from nasviz.evaluation.importance.texts import calibration_texts
from nasviz.evaluation.scoring import score
from nasviz.execution.appraised import (
    SCORED_BYTES,
    Appraisal,
    MeasureOrder,
    ScoreOrder,
    order_from_json,
)
from nasviz.execution.memory import check_room_for
from nasviz.execution.serving import serve
from nasviz.model.checkpoint import WEIGHTS
from nasviz.model.pruned import pruned
from nasviz.model.trained import load_trained, trained_architecture
from nasviz.model.transformer import Transformer
from nasviz.space.measurement import save_measurement
from nasviz.space.pruning import Pruning


class _Stopped(Exception):  # noqa: N818 (it is no error)
    """The order is not wanted any more."""


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model and its text, as they were on the disk at `stamp`."""

    stamp: tuple[object, ...]
    model: Transformer
    text: TokenizedCorpus


class Desk:
    """Carries orders out, one after the other; those up to number `stopped` no further."""

    def __init__(self, out: IO[str]) -> None:
        self.stopped = 0
        self._out = out
        self._loaded: _Loaded | None = None

    def carry_out(self, said: Mapping[str, Any]) -> None:
        """Measure or score what was ordered; what is wrong is reported too."""
        number, order = said["number"], order_from_json(said)
        try:
            self._go_on(number)
            if isinstance(order, MeasureOrder):
                self._measure(number, order)
            else:
                self._score(number, order)
        except _Stopped:
            self._report(Appraisal(number, stopped=True))
        except NasvizError as problem:
            self._report(Appraisal(number, failed=str(problem)))

    def _measure(self, number: int, order: MeasureOrder) -> None:
        began = time.perf_counter()
        loaded = self._load(Path(order.folder), order.corpus)
        context = loaded.model.architecture.context_length
        texts = calibration_texts(loaded.text, context, Pruning().calibration_tokens)
        for share, found in measured_piecewise(loaded.model, order.method, texts):
            self._go_on(number)
            self._report(Appraisal(number, share))
            if share == 1:  # all of the text is read
                save_measurement(found, Path(order.folder))
        self._report(Appraisal(number, 1.0, seconds=time.perf_counter() - began, done=True))

    def _score(self, number: int, order: ScoreOrder) -> None:
        loaded = self._load(Path(order.folder), order.corpus)
        began = time.perf_counter()
        model = pruned(loaded.model, order.kept)
        whole = loaded.text
        text = tokenize_by(whole.corpus, whole.tokenizer.cut(order.kept.vocab_size))
        # The head reads every batch once: there it can be stopped.
        watched = model.head.register_forward_pre_hook(lambda *_call: self._go_on(number))
        try:
            scored = score(model, text, "calibration", max_bytes=SCORED_BYTES)
        finally:
            watched.remove()
        self._report(
            Appraisal(
                number, 1.0, scored.bits_per_byte, scored.tokens,
                time.perf_counter() - began, done=True,
            )
        )  # fmt: skip

    def _load(self, folder: Path, corpus: str) -> _Loaded:
        """Return what is in a folder and its text, read once while the weights stay the same."""
        weights = folder / WEIGHTS
        stamp = (folder, corpus, weights.stat().st_mtime_ns if weights.exists() else 0)
        if self._loaded is None or self._loaded.stamp != stamp:
            self._loaded = None  # before the next is read: two may not fit
            check_room_for(trained_architecture(folder))
            model, tokenizer = load_trained(folder)
            text = tokenize_by(open_corpus(corpus), tokenizer)
            device = "cuda" if torch.cuda.is_available() else "cpu"
            self._loaded = _Loaded(stamp, model.to(device), text)
        return self._loaded

    def _go_on(self, number: int) -> None:
        if number <= self.stopped:
            raise _Stopped

    def _report(self, report: Appraisal) -> None:
        self._out.write(json.dumps(report.to_json()) + "\n")
        self._out.flush()


def main() -> int:
    """Serve the orders on standard input."""
    return serve(Desk)


if __name__ == "__main__":
    raise SystemExit(main())
