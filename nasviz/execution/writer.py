"""`Writer`: has trained models write text in a process of its own: the kernel needs no torch."""

from __future__ import annotations

from nasviz.execution.served import Served
from nasviz.execution.written import Order, Report, order_to_json

MODULE = "nasviz.execution.writer_process"


class Writer(Served[Order, Report]):
    """Takes one text, race or replay at a time."""

    def __init__(self) -> None:
        super().__init__(
            MODULE,
            "the process that writes",
            order_to_json,
            Report.from_json,
            lambda number, why: Report(number, failed=why),
        )
