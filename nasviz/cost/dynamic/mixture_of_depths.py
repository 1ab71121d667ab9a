"""What mixture of depths does to a cost: routed layers compute a share of the tokens."""

from __future__ import annotations

import numpy as np

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.routed_layers import RoutedLayers, with_routed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import flag, larger
from nasviz.space.options.shares import share_of


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with routed layers that compute a share of all tokens.

    The share is the measured one, the mean over routed layers, or before that the capacity that is
    taught: a prior, since the causal predictor decides. It predicts for every token; the router's
    own score is computed for those that go through.
    """
    capacity, n_layers = settings.number("capacity"), running.sizes.n_layers
    on = settings.on * flag(capacity < 1)
    if not np.any(on):
        return running
    share = capacity if observed.routed_share is None else observed.routed_share
    first, every = settings.number("first"), settings.number("every")
    d_model = running.sizes.d_model
    look = 2 * d_model  # one small classifier of one token
    routers = RoutedLayers(
        on=on,
        routed=larger(-((first - n_layers) // every), 0),  # rounded up
        share=share,
        taught=share_of(running.sizes.context_length, capacity),
        look_flops=(1 + share) * look,
        # A router passes gradients on to the stream, a predictor to its own weights alone.
        trained_look_flops=5 * look,
        additions=2 * (d_model + 1),
    )
    return with_routed(running, routers)
