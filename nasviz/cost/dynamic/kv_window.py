"""What a cache window does to a cost: fewer keys are read and kept."""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import choose, flag, smaller


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with sinks and the latest tokens alone in sight.

    The narrower of the option's window and the model's own counts. Prompts are read as ever: the
    whole square of (query, key) pairs, most of them masked.
    """
    sizes, width = running.sizes, settings.number("window")
    on = settings.on * flag(width > 0)
    own = sizes.sliding_window
    sinks = settings.number("sinks")
    in_sight = sinks + choose(own > 0, smaller(width, own), width)
    kept = sizes.context_length if running.most_keys is None else running.most_keys
    return replace(
        running,
        sizes=replace(sizes, sliding_window=choose(on, 0, own)),
        most_keys=choose(on, in_sight, kept),
        sinks=choose(on, sinks, running.sinks),
    )
