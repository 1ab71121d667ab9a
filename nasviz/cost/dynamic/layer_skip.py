"""What layer skipping does to a cost: fewer layers, for all tokens or as routers decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.routed_layers import RoutedLayers, with_routed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import choose, flag, larger
from nasviz.space.options.shares import share_of


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with the layers that are kept; the others' weights stay in memory.

    It acts before the options that decide token by token, so every pass still takes all layers.
    """
    n_layers, keep = running.sizes.n_layers, settings.number("keep")
    by_router = settings.on * settings.chosen("choose", "router")
    kept = len(settings.listed("layers")) or share_of(n_layers, keep)
    kept = choose(settings.on * (1 - by_router), kept, n_layers)
    fewer = replace(
        running,
        sizes=replace(running.sizes, n_layers=kept),
        decode=tuple(replace(each, layers=kept) for each in running.decode),
    )
    if not np.any(by_router * flag(keep < 1)):
        return fewer
    return with_routed(fewer, _gates(settings, fewer, observed))


def _gates(settings: Settings, running: Running, observed: Observed) -> RoutedLayers:
    """Return the layers that gates decide about: all but the first.

    Their share is the measured one, the mean over them, or before that the capacity that they are
    taught: a prior.
    """
    sizes, keep = running.sizes, settings.number("keep")
    on = settings.on * settings.chosen("choose", "router") * flag(keep < 1)
    capacity = (keep * sizes.n_layers - 1) / larger(sizes.n_layers - 1, 1)
    look = 2 * sizes.d_model  # one gate of one token
    return RoutedLayers(
        on=on,
        routed=sizes.n_layers - 1,
        share=capacity if observed.routed_share is None else observed.routed_share,
        taught=capacity * sizes.context_length,
        look_flops=look,
        trained_look_flops=3 * look,
        additions=sizes.d_model + 1,
    )
