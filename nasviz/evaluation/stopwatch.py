"""Timing that waits for the device, on a fixed number of threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Times calls on one device; each reading ends after the device has finished."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        # A call is over when the device is; several launches share one wait, as in a real pass.
        self._together = 1 if device == "cpu" else 20

    def wait(self) -> None:
        """Return once the device has nothing left to do."""
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def seconds(self, call: Callable[[], object], budget_s: float = 0.03) -> float:
        """Return the seconds of one `call`, warmed up: the lower quartile within a budget.

        The quartile, since what other processes take only ever adds.
        """
        call()
        call()
        self.wait()
        readings: list[float] = []
        end = time.perf_counter() + budget_s
        while len(readings) < 5 or (time.perf_counter() < end and len(readings) < 500):
            start = time.perf_counter()
            for _ in range(self._together):
                call()
            self.wait()
            readings.append((time.perf_counter() - start) / self._together)
        return sorted(readings)[len(readings) // 4]


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch compute with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
