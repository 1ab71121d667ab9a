"""What layer skipping does to a cost: fewer layers, for prompts, generated tokens and the cache."""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import choose
from nasviz.space.options.shares import share_of


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with the layers that are kept; the others' weights stay in memory.

    It acts before the options that decide token by token, so every pass still takes all layers.
    """
    n_layers = running.sizes.n_layers
    kept = len(settings.listed("layers")) or share_of(n_layers, settings.number("keep"))
    kept = choose(settings.on, kept, n_layers)
    return replace(
        running,
        sizes=replace(running.sizes, n_layers=kept),
        decode=tuple(replace(each, layers=kept) for each in running.decode),
    )
