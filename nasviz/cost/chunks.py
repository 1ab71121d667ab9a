"""Work over a long table in pieces that fit a core's cache, on a few threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Rows of one piece: 16,384 float64 are 128 KB, so that a formula's few arrays stay in L2.
CHUNK = 16_384

# Numpy releases the interpreter's lock inside each operation of a piece; beyond a few threads
# the lock between operations is what limits.
_MOST_THREADS = 4


def in_chunks(work: Callable[[int, int], None], length: int, begin: int = 0) -> None:
    """Call `work(start, stop)` over the rows from `begin` to `length`, pieces side by side.

    Returns when all are done; the first error of a piece is raised.
    """
    starts = range(begin, length, CHUNK)
    if len(starts) < 2:
        for start in starts:
            work(start, min(start + CHUNK, length))
        return
    threads = min(_MOST_THREADS, len(starts), os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="nasviz-cost") as pool:
        done = [pool.submit(work, start, min(start + CHUNK, length)) for start in starts]
        for future in done:
            future.result()
