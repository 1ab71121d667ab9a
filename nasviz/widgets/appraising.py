"""`Appraising`: has a trained model's parts measured and choices of them scored, in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from nasviz.execution.appraised import Appraisal, MeasureOrder, Order, ScoreOrder
from nasviz.execution.appraiser import Appraiser

Hear = Callable[[Order, Appraisal], None]


class Appraising:
    """Gives an `Appraiser` one order after the other; `hear` gets every report on another thread.

    Measurements come first and wait for each other. Scores are asked for as a set: those of the
    set before that are not in it are not wanted any more, and nothing is told of them.
    """

    def __init__(self, appraiser: Appraiser, hear: Hear) -> None:
        self._appraiser, self._hear = appraiser, hear
        self._lock = threading.RLock()
        self._running: Order | None = None
        self._measures: list[MeasureOrder] = []
        self._scores: list[ScoreOrder] = []

    @property
    def measuring(self) -> bool:
        """Whether a measurement runs or waits."""
        with self._lock:
            return bool(self._measures) or isinstance(self._running, MeasureOrder)

    @property
    def scoring(self) -> bool:
        """Whether a choice is being scored, or waits to be."""
        with self._lock:
            return bool(self._scores) or isinstance(self._running, ScoreOrder)

    def measure(self, orders: Sequence[MeasureOrder]) -> None:
        """Have these carried out, in turn."""
        with self._lock:
            self._measures += orders
            if isinstance(self._running, ScoreOrder):
                self._scores.insert(0, self._running)
                self._appraiser.stop()
            self._next()

    def score(self, orders: Sequence[ScoreOrder]) -> None:
        """Have these choices scored, in turn, and no other."""
        with self._lock:
            self._scores = [each for each in orders if each != self._running]
            if isinstance(self._running, ScoreOrder) and self._running not in orders:
                self._appraiser.stop()
            self._next()

    def stop(self) -> None:
        """Ask for no more of what runs or waits; the measurement that runs tells its end."""
        with self._lock:
            self._measures, self._scores = [], []
            self._appraiser.stop()

    def _next(self) -> None:
        if self._running is not None:
            return
        if self._measures:
            self._running = self._measures.pop(0)
        elif self._scores:
            self._running = self._scores.pop(0)
        if self._running is not None:
            running = self._running
            self._appraiser.order(running, lambda report: self._told(running, report))

    def _told(self, order: Order, report: Appraisal) -> None:
        if report.ended:
            with self._lock:
                self._running = None
                self._next()
        if not (report.stopped and isinstance(order, ScoreOrder)):
            self._hear(order, report)
