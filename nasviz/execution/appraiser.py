"""`Appraiser`: has parts of models measured, and choices of them scored, outside the kernel."""

from __future__ import annotations

from nasviz.execution.appraised import Appraisal, Order, order_to_json
from nasviz.execution.served import Served

MODULE = "nasviz.execution.appraiser_process"


class Appraiser(Served[Order, Appraisal]):
    """Takes one measurement or score at a time."""

    def __init__(self) -> None:
        super().__init__(
            MODULE,
            "the process that measures",
            order_to_json,
            Appraisal.from_json,
            lambda number, why: Appraisal(number, failed=why),
        )
