"""What activation sparsity does to a cost: a token alone multiplies its kept inputs only.

Seconds stay those of the dense model: measured, half the inputs take from 1.5 times as long (128
wide) to 0.95 of it (512 wide), a prompt about twice (`tests/benchmarks/weight_views.py`).
"""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import choose


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with a share of each matrix's inputs, for one text token by token."""
    share = choose(settings.on, settings.number("keep"), running.input_share)
    return replace(running, input_share=share)
