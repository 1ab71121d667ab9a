"""The process at the other end of `Served`: orders in as lines of JSON, reports out.

It computes on one thread at nice 10, so that sliders and trials keep the cores. It ends with its
input, or after `IDLE_S` without an order.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any, Protocol

import torch

from nasviz.execution.worker_process import NICE

IDLE_S = 30 * 60.0


class Desk(Protocol):
    """Carries orders out, one after the other; those up to number `stopped` no further."""

    stopped: int

    def carry_out(self, said: Mapping[str, Any]) -> None:
        """Do what an order says, reporting on the way; what is wrong is reported too."""


def serve(open_desk: Callable[[IO[str]], Desk]) -> int:
    """Serve the orders on standard input at the desk that reports to the given file."""
    os.nice(max(0, NICE - os.nice(0)))
    torch.set_num_threads(1)
    # Reports alone go where they are read; whatever a library prints goes to the errors.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    desk = open_desk(out)
    waiting: queue.Queue[Mapping[str, Any]] = queue.Queue()
    threading.Thread(
        target=_read, args=(sys.stdin, waiting, desk), name="orders", daemon=True
    ).start()
    try:
        while True:
            desk.carry_out(waiting.get(timeout=IDLE_S))
    except queue.Empty:
        return 0


def _read(lines: IO[str], waiting: queue.Queue[Mapping[str, Any]], desk: Desk) -> None:
    """Put orders into the queue as they come; leave at once when nobody can order any more."""
    for line in lines:
        said = json.loads(line)
        if "stop" in said:
            desk.stopped = said["stop"]
        else:
            waiting.put(said)
    os._exit(0)
