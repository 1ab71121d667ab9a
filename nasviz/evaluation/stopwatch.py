"""Timing that waits for the device and, where it can, leaves out what other processes take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

# Calls shorter than this are timed several at once, so that reading the clock doesn't count.
_SHORTEST_S = 2e-5


class Stopwatch:
    """Times calls on one device with so many threads; a reading ends when the device has finished.

    On one thread of a CPU the clock is the thread's own time, which stands still while another
    process has the core; with several threads, or on another device, it is the wall's.
    """

    def __init__(self, device: str = "cpu", threads: int = 1) -> None:
        self.device = device
        alone = device == "cpu" and threads == 1
        self.now: Callable[[], float] = time.thread_time if alone else time.perf_counter
        # Launches that queue up share one wait, as in a real pass.
        self._least_together = 1 if device == "cpu" else 20

    def wait(self) -> None:
        """Return once the device has nothing left to do."""
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def seconds(self, call: Callable[[], object], budget_s: float = 0.03) -> float:
        """Return the seconds of one `call`, warmed up: the lower quartile within a budget.

        The quartile, since what disturbs only ever adds.
        """
        call()
        self.wait()
        together = max(self._least_together, round(_SHORTEST_S / max(self._once(call, 1), 1e-7)))
        readings: list[float] = []
        end = time.perf_counter() + budget_s
        while len(readings) < 5 or (time.perf_counter() < end and len(readings) < 500):
            readings.append(self._once(call, together))
        return sorted(readings)[len(readings) // 4]

    def _once(self, call: Callable[[], object], together: int) -> float:
        start = self.now()
        for _ in range(together):
            call()
        self.wait()
        return (self.now() - start) / together


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch compute with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
