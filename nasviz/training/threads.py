"""How many processor threads to compute with: those that nobody else is using."""

from __future__ import annotations

import os
import time

import psutil

# Long enough to tell a busy core from an idle one, short enough not to be felt at the start.
LOOK_S = 0.05


def idle_cores() -> int:
    """Return how many of this process's cores are idle now, at least 1.

    With every core busy, a second thread makes training no faster and costs twice the processor
    time, which the explorer's sliders need. Looks for a twentieth of a second.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    before, start = psutil.cpu_times(), time.perf_counter()
    time.sleep(LOOK_S)
    after, seconds = psutil.cpu_times(), time.perf_counter() - start
    idle = float(after.idle - before.idle) / seconds
    return max(1, min(allowed or 1, round(idle)))
