"""What dynamic experts do to a cost: fewer experts a token; all of them stay in memory."""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import choose, flag, larger, smaller


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with as many experts a token as it uses on average.

    That is the measured number, the mean over layers, or before that `top_p` of the model's own
    number and at least one: a prior, exact where all of a token's experts have equal shares, too
    high where its router is sure.
    """
    top_p, most = settings.number("top_p"), running.sizes.experts_per_token
    used = larger(1, top_p * most)
    if observed.experts_per_token is not None:
        used = smaller(sum(observed.experts_per_token) / len(observed.experts_per_token), most)
    used = choose(settings.on * flag(top_p < 1), used, most)
    return replace(running, sizes=replace(running.sizes, experts_per_token=used))
