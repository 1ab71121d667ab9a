"""What mixture of depths does to a cost: routed layers compute a share of the tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running, Stage, stages_of, stages_where
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import Amount, choose, flag, larger
from nasviz.space.options.shares import share_of


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with routed layers that compute a share of all tokens.

    The share is the measured one, the mean over routed layers, or before that the capacity that is
    taught: a prior, since the causal predictor decides. It predicts for every token; the router's
    own score is computed for those that go through. A batch is run row by row, so its rows don't
    share the reading of weights: times here are those of rows run together, a lower bound for
    several.
    """
    capacity, n_layers = settings.number("capacity"), running.sizes.n_layers
    on = settings.on * flag(capacity < 1)
    if not np.any(on):
        return running
    share = capacity if observed.routed_share is None else observed.routed_share
    first, every = settings.number("first"), settings.number("every")
    routed = larger(-((first - n_layers) // every), 0)  # rounded up
    d_model, context = running.sizes.d_model, running.sizes.context_length
    look = 2 * d_model  # one small classifier of one token

    def stages(prompt: Amount) -> tuple[Stage, ...]:
        own = (
            Stage(n_layers - routed, prompt),
            Stage(routed, share * prompt, later=share, look_flops=(1 + share) * look * prompt),
        )
        return stages_where(on, own, stages_of(running, prompt))

    taught = (Stage(n_layers - routed, context), Stage(routed, share_of(context, capacity)))
    before = running.training_stages or (Stage(n_layers, context),)
    step, *others = running.decode
    step = replace(
        step,
        layers=choose(on, n_layers - routed + share * routed, step.layers),
        checks=choose(on, routed, step.checks),
        check_flops=choose(on, routed * (1 + share) * look, step.check_flops),
    )
    return replace(
        running,
        stages=stages,
        decode=(step, *others),
        additions=running.additions + on * routed * 2 * (d_model + 1),
        training_stages=stages_where(on, taught, before),
        # A router passes gradients on to the stream, a predictor to its own weights alone.
        training_checks_flops=running.training_checks_flops + on * routed * 5 * look,
    )
