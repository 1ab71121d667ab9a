"""What routed layers do to a cost: they compute a share of the tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nasviz.cost.dynamic.running import Running, Stage, stages_of, stages_where
from nasviz.cost.sizes import Amount, choose


@dataclass(frozen=True, eq=False)
class RoutedLayers:
    """Layers whose routers let a part of the tokens through.

    on: 1 where there are such layers. routed: how many. share: the part of the tokens that each
    computes, on average. taught: how many tokens of a full context it computes in training.
    look_flops: what routers take for one token in one layer, where `share` of them go through.
    trained_look_flops: the same in training, forward and backward. additions: weights of the
    routers of one layer.
    """

    on: Amount
    routed: Amount
    share: Amount
    taught: Amount
    look_flops: Amount
    trained_look_flops: Amount
    additions: Amount


def with_routed(running: Running, these: RoutedLayers) -> Running:
    """Return `running` with routed layers. The share is a mean over them and over all tokens.

    A batch is run row by row, so its rows don't share the reading of weights: times here are those
    of rows run together, a lower bound for several.
    """
    on, routed, share = these.on, these.routed, these.share
    n_layers, context = running.sizes.n_layers, running.sizes.context_length

    def stages(prompt: Amount) -> tuple[Stage, ...]:
        own = (
            Stage(n_layers - routed, prompt),
            Stage(routed, share * prompt, later=share, look_flops=these.look_flops * prompt),
        )
        return stages_where(on, own, stages_of(running, prompt))

    taught = (Stage(n_layers - routed, context), Stage(routed, these.taught))
    before = running.training_stages or (Stage(running.stored.n_layers, context),)
    step, *others = running.decode
    step = replace(
        step,
        layers=choose(on, n_layers - routed + share * routed, step.layers),
        checks=choose(on, routed, step.checks),
        check_flops=choose(on, routed * these.look_flops, step.check_flops),
    )
    looks = on * routed * these.trained_look_flops
    return replace(
        running,
        stages=stages,
        decode=(step, *others),
        additions=running.additions + on * routed * these.additions,
        training_stages=stages_where(on, taught, before),
        training_checks_flops=running.training_checks_flops + looks,
    )
